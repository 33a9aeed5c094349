"""Laws at many noise levels: ladders of families, the law along their flow, the law of one level."""
