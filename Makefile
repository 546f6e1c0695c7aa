# Each target calls one script; the scripts say what they do. All but lint work on a fresh Debian 12 with Rust.
#
#   make setup   system packages, ONNX Runtime, models, sample pictures (the others call it)
#   make demo    a server with a genuine and a fraudulent case; DEMO=once stops afterwards
#   make test    all tests
#   make bench   throughput and latency
#   make eval    accuracy on labelled pictures
#   make lint    formatting, clippy, licences

.PHONY: setup demo test bench eval lint
.DEFAULT_GOAL := demo

setup demo test bench eval lint:
	@scripts/$@.sh
