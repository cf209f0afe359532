# rsagent. `make help` says what there is.
export CGO_ENABLED ?= 0
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null)
STATICCHECK  = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
NFPM         = go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
LAB          = bin/rslab exec --timeout 25m --
LABTEST      = RSLAB_BIN=$(CURDIR)/bin/rslab go test -tags lab -count=1 -timeout 25m -p 1 -exec '$(CURDIR)/$(LAB)'
LAB_PACKAGES = ./sysctl ./sysctl/persisted ./agent/lab ./agent/linux ./agent/audit ./agent/director ./health/probe ./cmd/rsagent
KERNELS      = 5.10 6.1 6.12
GOBUILD      = go build -tags nethttpomithttp2 -trimpath -ldflags '-s -w -X main.version=$(VERSION)'

# The packages carry the time of the last commit, and the address of those who make them.
ARCHES       = amd64 arm64
MAINTAINER  ?= rsagent maintainers <rsagent@example.org>
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
PACKAGE_VERSION   ?= $(shell packaging/version.sh '$(VERSION)')
PACKAGE_ENV  = NFPM='$(NFPM)' VERSION='$(VERSION)' PACKAGE_VERSION='$(PACKAGE_VERSION)' MAINTAINER='$(MAINTAINER)' SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH)

SHELL        = /bin/bash -o pipefail

.NOTPARALLEL:
.PHONY: help build generate demo test unit lint rules browser launcher lab matrix truth tamper test-host bench packages package-lint rpm deps clean

help: ## this text
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

build: ## bin/rsagent and bin/rslab, static
	@mkdir -p bin
	@$(GOBUILD) -o bin/rsagent ./cmd/rsagent
	@$(GOBUILD) -o bin/rslab ./cmd/rslab

generate: NEEDS = clang-14=clang-14 llvm-strip-14=llvm-14
generate: FILES = /usr/include/bpf/bpf_helpers.h=libbpf-dev
generate: deps ## the BPF programs of agent/audit, compiled; the result is committed
	go generate ./agent/audit

demo: deps build ## the classic scene on a real kernel: about 30 s
	@bin/rslab demo

test: deps build unit lint rules package-lint rpm browser launcher lab matrix ## everything, on three kernels

unit: ## what needs no kernel of its own, with the race detector
	CGO_ENABLED=1 go test -race ./...

lint: ## gofmt, vet, staticcheck, tidy, man pages
	@test -z "$$(gofmt -l agent cmd health packaging sysctl)" || { gofmt -l agent cmd health packaging sysctl; echo 'gofmt: the files above'; exit 1; }
	go vet ./... && go vet -tags lab ./... && go vet -tags bench ./agent/lab/bench && go vet -tags host ./cmd/rsagent
	$(STATICCHECK) -checks all ./... && $(STATICCHECK) -checks all -tags lab ./... && $(STATICCHECK) -checks all -tags bench ./agent/lab/bench && $(STATICCHECK) -checks all -tags host ./cmd/rsagent
	go mod tidy -diff
	@warned="$$(for page in packaging/man/*; do man --warnings -E UTF-8 -l -Tutf8 -Z $$page 2>&1 >/dev/null || echo $$page: man failed; done)"; \
	test -z "$$warned" || { echo "$$warned"; exit 1; }

rules: ## alert rules, the dashboard and /metrics, as promtool sees them
	cd packaging/prometheus && promtool check rules rules.yml alerts.yml && promtool test rules rules_test.yml alerts_test.yml
	go vet -tags promtool ./health && go test -tags promtool -count=1 -run Promtool ./health

browser: ## the status page in Chromium
	go vet -tags browser ./health/page && go test -tags browser -count=1 -run Browser ./health/page

launcher: build ## the lab's launcher, tested from outside
	go test -tags lab -count=1 ./cmd/rslab

lab: build ## what needs a kernel, in two disposable machines beside each other
	@$(LABTEST) -run '^(TestAlone|TestLab)$$' ./cmd/rsagent >bin/lab.log 2>&1 & scripts=$$!; \
	  $(LABTEST) -skip '^(TestTruth|TestAlone|TestLab)$$' $(LAB_PACKAGES); failed=$$?; \
	  wait $$scripts || failed=1; cat bin/lab.log; exit $$failed

matrix: build ## the acceptance scene on every kernel we promise
	@for k in $(KERNELS); do echo "kernel $$k:"; \
	  RSLAB_BIN=$(CURDIR)/bin/rslab go test -tags lab -count=1 -run '^TestLab$$/^(classic|run|effective)$$' \
	    -exec '$(CURDIR)/bin/rslab exec --kernel '$$k' --timeout 10m --' ./cmd/rsagent | tee bin/matrix.log || exit 1; \
	  ! grep 'no tests to run' bin/matrix.log || exit 1; done

tamper: deps build ## 2,000 steps of tampering with a host that is watched over; SEED=N plays one again
	go test -tags lab -count=1 -v -timeout 40m -run TestTamper -exec '$(CURDIR)/bin/rslab exec --timeout 40m --' ./cmd/rsagent -tamper.steps 2000 -tamper.seed $(or $(SEED),0)

test-host: deps build ## a host's life in a Debian with systemd: installed, booted, upgraded, purged
	@for v in 1 2; do rm -rf bin/host/$$v; $(PACKAGE_ENV) VERSION=v0.0.$$v PACKAGE_VERSION=0.0.$$v ARCH=amd64 packaging/package.sh bin/host/stage bin/host/$$v || exit 1; done
	go test -tags host -count=1 -v -timeout 20m -run TestHost -exec '$(CURDIR)/bin/rslab host --' ./cmd/rsagent

truth: deps build ## readiness against what a client sees, for every breakage and each pair
	go test -tags lab -count=1 -v -timeout 20m -run TestTruth -exec '$(CURDIR)/bin/rslab exec --timeout 20m --' ./cmd/rsagent

bench: NEEDS += $(BENCH_NEEDS)
bench: deps build bin/nginx ## rsagent beside what else does the same, into the manual; ROWS=repair for some of it
	go test -c -tags bench -o bin/bench.test ./agent/lab/bench
	cd agent/lab/bench && $(CURDIR)/bin/rslab exec --cpus 2 --timeout 20m $(if $(ROWS),,--out $(CURDIR)/packaging/docs/benchmarks.md) -- \
	  $(CURDIR)/bin/bench.test $(if $(ROWS),-rows '$(ROWS)',-out $(CURDIR)/packaging/docs/benchmarks.md) -commit '$(VERSION)' -machine '$(HOST)'

# Only the program: the package would start a web server on this machine.
bin/nginx:
	@mkdir -p bin/nginx.deb && cd bin/nginx.deb && apt-get download -qq -o APT::Sandbox::User=root nginx && dpkg-deb -x nginx_*.deb . && mv usr/sbin/nginx .. && cd .. && rm -r nginx.deb

# What the bench says of the machine that it ran on.
HOST = $(shell sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1), $(shell nproc) cores, Linux $(shell uname -r), load $(shell cut -d" " -f1 /proc/loadavg) as it began

# What the machine must have, as command=package.
NEEDS = qemu-system-x86_64=qemu-system-x86 ipvsadm=ipvsadm nft=nftables iptables=iptables keepalived=keepalived perl=perl chromium=chromium ip=iproute2 modprobe=kmod depmod=kmod \
        sysctl=procps xz=xz-utils gcc=gcc strace=strace setpriv=util-linux pkill=procps man=man-db promtool=prometheus \
        haproxy=haproxy ldirectord=ldirectord systemd-socket-activate=systemd \
        lintian=lintian rpmlint=rpmlint rpm=rpm cpio=cpio shellcheck=shellcheck systemd-analyze=systemd \
        mmdebstrap=mmdebstrap mke2fs=e2fsprogs
# And what is no command, as file=package.
FILES = /usr/include/stdlib.h=libc6-dev

packages: deps build ## bin/packages: deb and rpm for amd64 and arm64, built twice and compared
	@rm -rf bin/stage
	@for a in $(ARCHES); do for n in 1 2; do $(PACKAGE_ENV) ARCH=$$a packaging/package.sh bin/stage/$$n bin/stage/$$n/packages || exit 1; done; done
	@diff -r bin/stage/1/packages bin/stage/2/packages || { echo 'not reproducible: the packages above'; exit 1; }
	@rm -rf bin/packages && cp -r bin/stage/1/packages bin/packages && ls bin/packages

rpm: packages ## the rpm installed, upgraded and erased, in a disposable machine
	@mkdir -p bin/stage/older
	@cd bin/stage/1/amd64 && $(PACKAGE_ENV) PACKAGE_VERSION=0~0 ARCH=amd64 $(NFPM) package --packager rpm --target ../../older/ >/dev/null
	@SOURCE_DATE_EPOCH=$(SOURCE_DATE_EPOCH) $(NFPM) package --config packaging/testdata/stand-in.yaml --packager rpm --target bin/stage/older/ >/dev/null
	go vet -tags lab ./packaging && go test -tags lab -count=1 -exec '$(CURDIR)/$(LAB)' ./packaging

package-lint: deps packages ## shellcheck, systemd-analyze, lintian and rpmlint on the packages
	@packaging/lint.sh

# What only the bench needs. The libraries of nginx come with qemu and keepalived.
BENCH_NEEDS = wrk=wrk

deps: # installs what is missing when root, else says what is missing
	@missing=""; PATH=$$PATH:/usr/sbin:/sbin; \
	for n in $(NEEDS); do command -v $${n%%=*} >/dev/null || missing="$$missing $${n#*=}"; done; \
	for n in $(FILES); do test -f $${n%%=*} || missing="$$missing $${n#*=}"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ]; then echo "missing:$$missing. Install: sudo apt-get install$$missing"; exit 1; fi; \
	echo "installing$$missing"; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null && \
	for n in prometheus haproxy ldirectord; do case "$$missing" in *" $$n"*) ! test -d /run/systemd/system || systemctl disable -q --now $$n;; esac; done # not as servers

clean: ## removes bin/
	rm -rf bin
