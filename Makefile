# A thin layer over meson: every target is one command that can be typed by hand.
.POSIX:
BUILD = build
MESON_TEST = meson test -C

.PHONY: run build test test-all bench fuzz lint deps clean

build: $(BUILD)/build.ninja
	ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup --buildtype=release $(BUILD)

run: build
	$(BUILD)/quired --sample --data-dir data-dir

# What a laptop can in a few minutes.
test: build
	python3 tools/test.py --build $(BUILD)

# The rest: sanitizers, long runs, lint.
test-all: build
	python3 tools/test.py --build $(BUILD) --all

bench: build
	python3 bench/run.py --build $(BUILD)
	python3 bench/hyper.py --build $(BUILD)
	python3 bench/txn.py --build $(BUILD)
	python3 bench/constant.py --build $(BUILD)
	python3 bench/control.py --build $(BUILD)
	python3 bench/move.py --build $(BUILD)

fuzz:
	python3 tools/fuzz.py

lint: build
	python3 tools/lint.py --build $(BUILD)

deps:
	sh tools/deps.sh build test lint

clean:
	rm -rf $(BUILD) build-asan build-tsan build-fuzz
