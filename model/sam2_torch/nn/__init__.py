"""SAM 2's network, one file per box of the paper's figure; tensors in, tensors out.

Parameter names are Meta's, so that released checkpoints load with `strict=True` and fine-tuned
ones load in Meta's code.
"""
