# The front door. Each target installs what is missing, says what it does, and is quiet when there is nothing to do.
PORT ?= 8080
JOBS ?= $(shell nproc)
RELEASE := build/release

.PHONY: help run build test check bench format clean

help:
	@echo 'make run      build, and open Glassbox with the model it ships on http://127.0.0.1:$(PORT) (PORT=... chooses another)'
	@echo 'make build    build $(RELEASE)/glassbox'
	@echo 'make test     build and run every test'
	@echo 'make check    what CI runs beyond that: formatting, sanitizers, fuzzing, real clients, a real browser'
	@echo 'make bench    measure kernels, tokenizers and a 1B model beside the ceilings of this machine'
	@echo '              (PEER=DIR, with llama-bench in it: whole models beside llama.cpp, docs/performance.md)'
	@echo 'make format   lay out the sources'

run: build
	@exec $(RELEASE)/glassbox serve glassbox/prism --port $(PORT)

build:
	@scripts/install build
	@scripts/build release glassbox

test:
	@scripts/install build
	@scripts/build release all
	@ctest --preset release -LE conformance -j $(JOBS)

check:
	@scripts/install build check
	@scripts/check

bench:
	@scripts/install build $(if $(PEER),check)
	@scripts/bench $(PEER)

format:
	@scripts/install check
	@git ls-files '*.cc' '*.h' '*.inl' | xargs clang-format-19 -i

clean:
	rm -rf build web/dist
