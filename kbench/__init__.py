"""kbench: result tables of convolution-operator papers, published number beside measured number."""

__version__ = "0.1.0"
