"""SAM 2's network, one file per box of the paper's figure; tensors in, tensors out.

Parameter names are Meta's, so that official checkpoints load strictly and fine-tuned
ones can go back.
"""
