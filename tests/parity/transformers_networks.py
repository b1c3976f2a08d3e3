"""The networks of `transformers` in the sizes of ours; import this where `transformers` is."""

from typing import Any

import transformers

from sam2_torch import SAM2Config


def vision_config(config: SAM2Config) -> Any:
    """Say the sizes of our image encoder in the words of `transformers`."""
    widths = [config.embed_dim * 2**level for level in range(4)]
    backbone = transformers.Sam2HieraDetConfig(
        hidden_size=config.embed_dim,
        num_attention_heads=config.num_heads,
        image_size=[config.image_size] * 2,
        blocks_per_stage=list(config.stages),
        embed_dim_per_stage=widths,
        num_attention_heads_per_stage=[config.num_heads * 2**level for level in range(4)],
        window_size_per_stage=list(config.window_sizes),
        global_attention_blocks=list(config.global_blocks),
        window_positional_embedding_background_size=[config.background_size] * 2,
    )
    return transformers.Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=widths[::-1],
        backbone_feature_sizes=[[config.image_size // stride] * 2 for stride in (4, 8, 16)],
        fpn_hidden_size=config.d_model,
    )


def image_network(config: SAM2Config) -> Any:
    """Build a Sam2Model of our sizes."""
    return transformers.Sam2Model(
        transformers.Sam2Config(
            vision_config=vision_config(config),
            prompt_encoder_config=transformers.Sam2PromptEncoderConfig(
                hidden_size=config.d_model, image_size=config.image_size
            ),
            mask_decoder_config=transformers.Sam2MaskDecoderConfig(hidden_size=config.d_model),
        )
    ).eval()


def video_network(config: SAM2Config) -> Any:
    """Build a Sam2VideoModel of our sizes."""
    is_2_1 = config.version == "2.1"
    return transformers.Sam2VideoModel(
        transformers.Sam2VideoConfig(
            vision_config=vision_config(config),
            prompt_encoder_config=transformers.Sam2VideoPromptEncoderConfig(
                hidden_size=config.d_model, image_size=config.image_size
            ),
            mask_decoder_config=transformers.Sam2VideoMaskDecoderConfig(hidden_size=config.d_model),
            image_size=config.image_size,
            enable_occlusion_spatial_embedding=is_2_1,
            enable_temporal_pos_encoding_for_object_pointers=is_2_1,
            memory_attention_hidden_size=config.d_model,
            memory_attention_num_layers=config.memory_layers,
            memory_attention_feed_forward_hidden_size=config.memory_feedforward,
            memory_attention_rope_feat_sizes=[config.embedding_size] * 2,
            memory_encoder_hidden_size=config.d_model,
            memory_encoder_output_channels=config.memory_dim,
            mask_downsampler_embed_dim=config.d_model,
            memory_fuser_embed_dim=config.d_model,
            memory_fuser_intermediate_dim=4 * config.d_model,
        )
    ).eval()
