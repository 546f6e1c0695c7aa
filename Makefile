# Each target calls one script of its name; the scripts say what they do. `make help` prints this list.
# All but check and fmt work on a fresh Debian 12 with Rust; these two need the system packages of `make setup`.
#
#   make help    this list
#   make setup   system packages, ONNX Runtime, models, sample pictures (the others call it)
#   make demo    a server with a genuine and a fraudulent case; DEMO=once stops afterwards
#   make run     a debug build of the server, with its data in ./data
#   make test    all tests
#   make check   formatting and clippy, without tests: the fast look before a commit
#   make fmt     formats the code
#   make lint    formatting, clippy, licences, advisories
#   make ci      lint with all tools, then all tests: what has to pass before a change lands
#   make docs    the documentation as a book, in target/book
#   make cluster three database servers and two nodes on this machine, and the demo on both nodes
#   make soak    an hour of kills and pauses in a cluster; SOAK=full for the shorter full form
#   make hostile all attacks of strangers and of one company at once; what another company notices
#   make bench   throughput and latency
#   make fuzz    ten minutes of fuzzing; FUZZ_SECONDS for another time
#   make eval    accuracy on labelled pictures; DATA=FOLDER names them
#   make robustness  verdicts of liveness on versions of labelled clips and on made attacks; DATA=FOLDER as well

.PHONY: help setup demo run test check fmt lint ci docs cluster soak hostile bench fuzz eval robustness
.DEFAULT_GOAL := demo

help:
	@sed -n 's/^#   make/  make/p' Makefile

setup demo run test check fmt lint ci docs cluster soak hostile bench fuzz eval robustness:
	@scripts/$@.sh
