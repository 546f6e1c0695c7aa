# Each target calls one script; the scripts say what they do. All but lint work on a fresh Debian 12 with Rust.
#
#   make setup   system packages, ONNX Runtime, models, sample pictures (the others call it)
#   make demo    a server with a genuine and a fraudulent case; DEMO=once stops afterwards
#   make test    all tests
#   make cluster three database servers and two nodes on this machine, and the demo on both nodes
#   make soak    an hour of kills and pauses in a cluster; SOAK=full for the shorter full form
#   make bench   throughput and latency
#   make eval    accuracy on labelled pictures
#   make lint    formatting, clippy, licences

.PHONY: setup demo test cluster soak bench eval lint
.DEFAULT_GOAL := demo

setup demo test cluster soak bench eval lint:
	@scripts/$@.sh
