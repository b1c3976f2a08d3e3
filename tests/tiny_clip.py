"""A CLIP of random weights that is made in a second, for tests of words."""

from pathlib import Path
from typing import Any

import torch


def save_tiny_clip(path: Path) -> Path:
    """Write a CLIP of two layers to a folder; its words are single letters."""
    import transformers

    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    tokenizer = transformers.CLIPTokenizer(
        vocab={word: i for i, word in enumerate(words)}, merges=[]
    )
    tokenizer.save_pretrained(path)
    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 2}
    ids = {
        f"{kind}_token_id": getattr(tokenizer, f"{kind}_token_id") for kind in ("bos", "eos", "pad")
    }
    config = transformers.CLIPConfig(
        text_config={**sizes, "vocab_size": len(tokenizer), **ids},
        vision_config={**sizes, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )
    torch.manual_seed(0)
    network = transformers.CLIPModel(config)
    for weights in network.parameters():
        weights.data.add_(0.2 * torch.randn_like(weights))  # or all texts are nearly the same
    network.save_pretrained(path)
    return path
