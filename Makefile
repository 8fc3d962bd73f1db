# SPDX-License-Identifier: GPL-2.0-only
# The front door.  Each verb is one script of lab/ or tests/, whose --help says
# more than fits here.

# The boots that tell the story, in its order.
DEMO := stock-proxy patched-proxy stock-noproxy patched-lockdep stock-kunit patched-kunit

ARM64 := qemu-system-aarch64=qemu-system-arm aarch64-linux-gnu-gcc=gcc-aarch64-linux-gnu \
	libc:/usr/aarch64-linux-gnu/include/stdio.h=libc6-dev-arm64-cross

BOCHS := bochs-bin=bochs bochs-term:/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so=bochs-term \
	BIOS:/usr/share/bochs/BIOS-bochs-latest=bochsbios VGA:/usr/share/vgabios/vgabios.bin=vgabios \
	isolinux:/usr/lib/ISOLINUX/isolinux.bin=isolinux ldlinux:/usr/lib/syslinux/modules/bios/ldlinux.c32=syslinux-common xorriso

JINJA2 := jinja2:/usr/lib/python3/dist-packages/jinja2=python3-jinja2

.PHONY: help demo test run no-regression matrix results report autopsy sweep replay explore kunit mutants mutate arm64 intel vmm soak tree patches check-patches check-series check-docs bench lava model deps clean clean-runs distclean

help:
	@echo 'make demo                    stock hangs, patched does not, and why: six boots, a table'
	@echo 'make test                    the tests of the lab, then the boots that each change needs'
	@echo 'make run SCENARIO=NAME       one scenario (of lab/scenarios); TIMES=N repeats it'
	@echo '     SEED=N, REALTIME=1      ... another schedule; or by the host'\''s clock'
	@echo '     TREE=DIR                ... on the kernel tree DIR instead of the scenario'\''s base'
	@echo '     SERIES=SPEC             ... with that of patches/, such as kvm-next/1-lock-hold, see lab/series.sh'
	@echo '     KERNEL=FILE, CONFIG=FILE  ... on that bzImage, with that configuration if it has none in it'
	@echo '     ACCEL=kvm               ... by the host'\''s KVM, if that nests, and clock'
	@echo 'make matrix                  bases x configurations x stock and series, hours; a table; what was run is not run again'
	@echo '     CELLS="7.3.y kcsan"     ... of those bases, configurations, kernels; MATRIX=FILE: of your copy of lab/matrix.toml'
	@echo 'make replay RUN=runs/...     boot that again, and say whether the outcome is the same; TIMES=N'
	@echo '     GDB=1, AT=SECONDS       ... stop for gdb where it hangs, or at that time of the guest'
	@echo 'make explore SEEDS=N         a scenario in many schedules: k of n fail, when, with which seeds; a table'
	@echo '     SCENARIO=NAME           ... that one instead of stock-proxy; JOB=COMMAND, TREE, SERIES, JOBS=N'
	@echo 'make no-regression           all of KVM'\''s selftests, stock and patched, x86-64 and arm64: equal? installs a cross compiler'
	@echo 'make results                 the table of all runs in runs/, or of RUN="runs/..."; FORMAT=json, ktap, junit, kcidb, lava'
	@echo 'make report                  runs/report.html, a page of all runs, explorations, the hang, and the benchmark'
	@echo 'make autopsy                 hang a kernel and dissect it from outside: who waits for whom; TIMES=N'
	@echo '     SCENARIO=NAME           ... the kernel and job of that scenario instead of stock-proxy'
	@echo 'make sweep                   how often and how soon stock kernels hang, a table; TIMES=N boots of each'
	@echo '     CELLS="7.1.y,1,storm.." ... of those cells only, see lab/sweep.py --help'
	@echo 'make kunit                   the KUnit suite, by the kernel'\''s kunit.py; ARCH=NAME: x86_64 or arm64 only'
	@echo 'make mutants                 break the series in many ways, the tests must notice each; a table'
	@echo '     MUTANTS="NAME..."       ... only those (of mutants/TABLE); TIMES=N repeats each boot'
	@echo 'make mutate                  break each function that the series touch in every small way, hours; a table'
	@echo 'make arm64                   the tests of interrupts on arm64, stock and patched; installs a cross compiler'
	@echo 'make intel                   stress, lost interrupts, KUnit, and the hang, on Intel'\''s VMX; installs Bochs'
	@echo 'make vmm                     QEMU with disks whose interrupts are resampling irqfds: a table; SCENARIO=NAME, SEEDS=N'
	@echo '     MUTANTS="NAME..."       ... and with the series broken so, does a driver notice?'
	@echo 'make soak HOURS=N            irqfds and VMs come and go for hours, does anything grow? a table; goes on if interrupted'
	@echo '     MUTANT=PATCH            ... with the series broken so, such as tests/soak/irqfd-leaks.patch'
	@echo 'make tree BASE=NAME          a git tree, work/SERIES, with the base'\''s series as commits; of a stack,'
	@echo '                             each part has a branch'
	@echo '     SERIES=NAME             ... another series of that base, also for make patches'
	@echo 'make patches BASE=NAME       write the commits of that tree back to patches/SERIES'
	@echo 'make check-patches           prove that patches -> commits -> patches is the identity'
	@echo 'make check-series            each patch of each series, from subject to cross-compilers; a table'
	@echo '     BASES="NAME..."         ... of those bases only; SERIES=NAME: of it; installs cross compilers, sparse, coccinelle'
	@echo 'make check-docs              the documentation that the series touches, built; no new warning'
	@echo 'make bench                   how long teardown takes, in virtual time: stock, fixes, series; a table'
	@echo '     PART=NAME               ... times (by wall clock; HZ="1000 100"), counts, locks, remedies, or all'
	@echo 'make lava                    the demo, and guests that are broken, each by LAVA'\''s lava-run, too: a table; RUN="runs/..."'
	@echo 'make model                   the Spin models: bad variants fail, good ones pass; a table'
	@echo 'make deps                    install through apt what the lab needs'
	@echo 'make clean                   remove built kernels and selftests'
	@echo 'make clean-runs              remove the results of runs'
	@echo 'make distclean               remove the cache: sources, ccache, what clean removes'
	@echo
	@echo 'Bases: $(notdir $(wildcard lab/bases/*)).  Scenarios: $(notdir $(wildcard lab/scenarios/*)).'
	@echo 'Environment: LAB_CACHE=DIR (default ./cache), LAB_RUNS=DIR (./runs), LAB_MIRROR=URI.'

deps:
	@lab/deps.sh

demo: deps
	@lab/demo.sh $(DEMO)

test: deps
	@lab/deps.sh jsonschema:/usr/lib/python3/dist-packages/jsonschema=python3-jsonschema \
		junitparser:/usr/lib/python3/dist-packages/junitparser=python3-junitparser \
		$(JINJA2)
	@tests/run.sh

run: deps
	@lab/run.py --times $(or $(TIMES),1) $(SCENARIO)

matrix: deps
	@$(if $(findstring arm64,$(CELLS)),lab/deps.sh $(ARM64))
	@lab/matrix.py $(if $(MATRIX),--file $(MATRIX)) $(if $(JOBS),--jobs $(JOBS)) $(CELLS)

no-regression: deps
	@lab/deps.sh $(ARM64)
	@lab/no-regression.sh

results:
	@lab/results.py $(or $(FORMAT),table) $(RUN)

report: deps
	@lab/deps.sh $(JINJA2)
	@lab/report.py

autopsy: deps
	@lab/deps.sh gdb dot=graphviz
	@lab/autopsy.sh --times $(or $(TIMES),1) $(SCENARIO)

sweep: deps
	@lab/sweep.py --times $(or $(TIMES),5) $(CELLS)

replay: deps
ifdef GDB
	@lab/deps.sh gdb
	@lab/replay.sh --gdb $(AT) $(RUN)
else
	@lab/replay.sh --times $(or $(TIMES),1) $(RUN)
endif

explore: deps
	@lab/explore.py --seeds $(or $(SEEDS),20) --jobs $(or $(JOBS),$(shell nproc)) $(or $(SCENARIO),stock-proxy)

kunit: deps
	@lab/kunit.sh $(ARCH)

mutants: deps
	@lab/mutants.py --times $(or $(TIMES),1) $(MUTANTS)

mutate: deps
	@lab/mutate.sh

arm64: deps
	@lab/deps.sh $(ARM64)
	@lab/run.py stock-arm64 patched-arm64

intel: deps
	@lab/deps.sh $(BOCHS)
	@lab/run.py intel-stock-proxy intel-proxy intel-stress intel-irq intel-kunit

vmm: deps
	@lab/deps.sh $(BOCHS)
	@lab/vmm.py --seeds $(or $(SEEDS),5) --mutants "$(MUTANTS)" $(SCENARIO)

soak: deps
	@lab/deps.sh gnuplot=gnuplot-nox
	@lab/soak.sh $(if $(MUTANT),--mutant $(MUTANT)) $(HOURS)

tree: deps
	@lab/series.sh edit $(BASE)

patches: deps
	@lab/series.sh export $(BASE)

check-patches: deps
	@for base in $(notdir $(wildcard lab/bases/*)); do lab/series.sh check $$base || exit; done

check-series: deps
	@lab/deps.sh sparse spatch=coccinelle aarch64-linux-gnu-gcc=gcc-aarch64-linux-gnu \
		libc:/usr/aarch64-linux-gnu/include/stdio.h=libc6-dev-arm64-cross \
		powerpc64-linux-gnu-gcc=gcc-powerpc64-linux-gnu \
		s390x-linux-gnu-gcc=gcc-s390x-linux-gnu libc:/usr/s390x-linux-gnu/include/stdio.h=libc6-dev-s390x-cross \
		riscv64-linux-gnu-gcc=gcc-riscv64-linux-gnu libc:/usr/riscv64-linux-gnu/include/stdio.h=libc6-dev-riscv64-cross
	@lab/check-series.sh $(if $(SERIES),--only $(SERIES)) $(or $(BASES),$(notdir $(wildcard lab/bases/*)))
	@lab/check-guard.sh

check-docs: deps
	@lab/deps.sh sphinx-build=python3-sphinx rtd:/usr/share/doc/python3-sphinx-rtd-theme=python3-sphinx-rtd-theme \
		yaml:/usr/lib/python3/dist-packages/yaml=python3-yaml
	@lab/check-docs.sh

bench:
	@lab/deps.sh gnuplot=gnuplot-nox
	@lab/bench.sh --times $(or $(TIMES),3) --only $(or $(PART),virtual) $(HZ)

lava: deps
	@lab/deps.sh lava-run=lava-dispatcher $(JINJA2)
	@lab/lava-run.sh $(or $(RUN),$(DEMO) broken-panic broken-hang broken-few broken-torn)

model:
	@lab/deps.sh spin
	@model/check.sh

clean:
	@. lab/lib.sh && rm -rf "$$CACHE/build" "$$CACHE/selftests" "$$CACHE/vmm"

clean-runs:
	@. lab/lib.sh && rm -rf "$$RUNS"

distclean:
	@. lab/lib.sh && rm -rf "$$CACHE"

# The variables that the lab's scripts read; elapsed time counts from here.
export TREE SERIES SEED REALTIME JOB KERNEL CONFIG ACCEL MUTANTS
export LAB_T0 := $(shell date +%s)
SHELL := /bin/bash
