# Verbs only. `make help` lists them.
PRESET ?= debug
BUILD = build/$(PRESET)
PYTHON = /usr/bin/python3
DIRECTORY ?= var
RUN_OPTIONS ?=
PYTEST_OPTIONS ?=
CONFORMANCE ?=
# More than there are processors: tests wait for storage more than they compute.
TEST_WORKERS ?= 4
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 3600
SEED ?=
SIM_FIRST ?= 1
SIM_SEEDS ?= 5000
SIM_OPTIONS ?=
export PATH := $(PATH):/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help run test test-unit test-sim test-functional test-crash test-soak conformance sim soak tsan lint format fuzz bench bench-share build clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## install what is needed, build, serve on http://127.0.0.1:8776
	@tools/install-packages build run
	@$(MAKE) --no-print-directory build PRESET=release
	@exec build/release/src/varved serve --welcome -o store.directory=$(DIRECTORY) $(RUN_OPTIONS)

test: ## install what is needed, build, run all tests
	@tools/install-packages build run test
	@$(MAKE) --no-print-directory build test-unit test-sim test-functional test-crash test-soak

build: $(BUILD)/build.ninja ## build the preset PRESET (debug, tsan, release, fuzz)
	@ninja -C $(BUILD) varved $(if $(filter release,$(PRESET)),,varve_tests varve_sim varve_recorder varve_failing_disk)

$(BUILD)/build.ninja: CMakeLists.txt CMakePresets.json
	@cmake --preset $(PRESET) >/dev/null

test-unit: build ## unit and contract tests of the preset
	@seq 0 $$(($(TEST_WORKERS) - 1)) | GTEST_TOTAL_SHARDS=$(TEST_WORKERS) GTEST_BRIEF=1 xargs -P $(TEST_WORKERS) -I{} env GTEST_SHARD_INDEX={} $(BUILD)/src/varve_tests

test-sim: build ## 200 seeds of the simulator, with the sanitizers of the preset
	@$(BUILD)/src/varve_sim --seeds 200

sim: ## the services under random calls, failures and crashes (SIM_SEEDS from SIM_FIRST); SEED=N repeats one, with its trace
	@tools/install-packages build
	@$(MAKE) --no-print-directory build/release/build.ninja PRESET=release
	@ninja -C build/release varve_sim | tail -n 1
	@build/release/src/varve_sim $(if $(SEED),--seed $(SEED),--first $(SIM_FIRST) --seeds $(SIM_SEEDS)) $(SIM_OPTIONS)

test-functional: build ## the real binary, driven by real clients
	@VARVE_BUILD=$(BUILD) $(PYTHON) -m pytest -q -n $(TEST_WORKERS) --dist loadfile tests/functional tests/compat $(PYTEST_OPTIONS)

test-crash: build ## kill varved at every failpoint, cut the power, check what is left
	@VARVE_BUILD=$(BUILD) $(PYTHON) -m pytest -q -n $(TEST_WORKERS) tests/crash tests/powercut $(PYTEST_OPTIONS)

test-soak: build ## a few seconds of the soak
	@VARVE_BUILD=$(BUILD) $(PYTHON) -m pytest -q tests/soak $(PYTEST_OPTIONS)

soak: ## clients write, everything happens, everything is killed, every byte is checked; for an hour (SOAK_SECONDS)
	@tools/install-packages build run test
	@$(MAKE) --no-print-directory build PRESET=release
	@VARVE_BUILD=build/release SOAK_SECONDS=$(SOAK_SECONDS) $(PYTHON) tests/soak/soak.py

conformance: ## OpenStack's Tempest against the debug build (CONFORMANCE=REGEX: a part of it); fails when a test that is expected to pass does not
	@tools/install-packages build run test conformance
	@$(MAKE) --no-print-directory build
	@VARVE_BUILD=$(BUILD) $(PYTHON) tests/conformance/run.py $(if $(CONFORMANCE),"$(CONFORMANCE)")

tsan: ## unit and functional tests under ThreadSanitizer
	@tools/install-packages build run test
	@$(MAKE) --no-print-directory build test-unit test-functional PRESET=tsan

lint: ## format, layering and naming, clang-tidy
	@tools/install-packages build lint
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja
	@tools/lint $(BUILD)

format: ## put every source file into the project's format
	@tools/install-packages lint
	@git ls-files --cached --others --exclude-standard '*.cc' '*.h' | xargs clang-format-19 -i

fuzz: ## fuzz the readers of requests for a minute (FUZZ_SECONDS)
	@tools/install-packages build
	@$(MAKE) --no-print-directory build/fuzz/build.ninja PRESET=fuzz
	@ninja -C build/fuzz varve_body_fuzz
	@mkdir -p build/fuzz/corpus
	@build/fuzz/src/varve_body_fuzz -max_total_time=$(FUZZ_SECONDS) -max_len=4096 build/fuzz/corpus tests/fuzz/corpus/body

bench: ## measure the release build; a table of figures and ratios
	@tools/install-packages build run test bench
	@$(MAKE) --no-print-directory build PRESET=release
	@VARVE_BUILD=build/release $(PYTHON) bench/bench.py $(BENCH_OPTIONS)

bench-share: ## a minute of the bench on the preset, to see that it works
	@tools/install-packages build run test bench
	@$(MAKE) --no-print-directory build
	@VARVE_BUILD=$(BUILD) $(PYTHON) bench/bench.py --share

clean: ## remove what was built (the store is kept)
	@rm -rf build
