"""Our config in the words of the `transformers` package; the parity tests read it, too."""

from typing import Any

from sam2_torch import SAM2Config


def vision_config(config: SAM2Config) -> Any:
    """Say the sizes of our image encoder in the words of `transformers`."""
    from transformers import Sam2HieraDetConfig, Sam2VisionConfig

    size, levels = config.image_size, range(4)
    widths = [config.embed_dim * 2**level for level in levels]
    backbone = Sam2HieraDetConfig(
        hidden_size=config.embed_dim,
        num_attention_heads=config.num_heads,
        image_size=[size, size],
        blocks_per_stage=list(config.stages),
        embed_dim_per_stage=widths,
        num_attention_heads_per_stage=[config.num_heads * 2**level for level in levels],
        window_size_per_stage=list(config.window_sizes),
        window_positional_embedding_background_size=[config.background_size] * 2,
        global_attention_blocks=list(config.global_blocks),
    )
    return Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=widths[::-1],
        backbone_feature_sizes=[[size // stride] * 2 for stride in (4, 8, 16)],
        fpn_hidden_size=config.d_model,
    )


def image_config(config: SAM2Config) -> Any:
    """Describe a network for single images, without memory."""
    from transformers import Sam2Config

    return Sam2Config(
        vision_config=vision_config(config),
        prompt_encoder_config={"hidden_size": config.d_model, "image_size": config.image_size},
        mask_decoder_config={"hidden_size": config.d_model},
    )


def video_config(config: SAM2Config) -> Any:
    """Describe a network of version 2.0 or 2.1."""
    from transformers import Sam2VideoConfig

    size, width, is_2_1 = config.image_size, config.d_model, config.version == "2.1"
    return Sam2VideoConfig(
        vision_config=vision_config(config),
        prompt_encoder_config={"hidden_size": width, "image_size": size},
        mask_decoder_config={"hidden_size": width},
        image_size=size,
        enable_occlusion_spatial_embedding=is_2_1,
        enable_temporal_pos_encoding_for_object_pointers=is_2_1,
        memory_attention_hidden_size=width,
        memory_attention_num_layers=config.memory_layers,
        memory_attention_feed_forward_hidden_size=config.memory_feedforward,
        memory_attention_rope_feat_sizes=[config.embedding_size] * 2,
        memory_encoder_hidden_size=width,
        memory_encoder_output_channels=config.memory_dim,
        mask_downsampler_embed_dim=width,
        memory_fuser_embed_dim=width,
        memory_fuser_intermediate_dim=4 * width,
    )
