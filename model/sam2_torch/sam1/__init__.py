"""SAM 1 and MobileSAM for single images: networks without a memory.

Notes
-----
Kirillov et al. 2023 (arXiv 2304.02643); Zhang et al. 2023, "Faster Segment Anything"
(arXiv 2306.14289).
"""
