# make          build the tool, and links under the names of its commands
# make demo     make a seed, and images of it and of a real tree, and check them; needs Go, git
#               and make alone
# make test     install what the tests need (apt, as root) and run all of them
# make attack   the tests that repeat an attack, with their full numbers; hours. RUN=TestAttackX
#               does one of them
# make bench    compare with tar, gzip, pigz, libdeflate and zfs-fuse (apt, as root)

COMMIT := $(shell git describe --always --dirty 2>/dev/null)
LDFLAGS := -s -w -X main.commit=$(COMMIT)
COMMANDS := create-base-images create-image create-seed create-smf-repo install-base install-image
TARGETS := illumos/amd64 linux/amd64 linux/arm64 darwin/arm64
FUZZTIME ?= 60s
RUN ?= TestAttack

export CGO_ENABLED := 0

.PHONY: build demo test attack oracles bench lint fuzz cross clean

build:
	go build -trimpath -ldflags '$(LDFLAGS)' -o imagetools ./cmd/imagetools
	@for c in $(COMMANDS); do ln -sf imagetools $$c; done

demo: build
	./doc/demo

oracles:
	./test/oracle/install
	./test/oracle/prepare all
	./test/imgmanifest/prepare
	./test/conformance/debian-root
	./test/conformance/debian-vim
	./test/conformance/lx-root bullseye
	./test/conformance/lx-root trixie
	./test/smartos/prepare
	./test/oci/prepare
	go run ./test/reference/prepare

test: oracles
	./test/run

attack: oracles
	./test/attack/run '$(RUN)'

bench: oracles
	go run ./test/bench

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	go vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...
	go mod tidy -diff

fuzz:
	./test/fuzz $(FUZZTIME)

cross:
	@for t in $(TARGETS); do \
		echo "build $$t"; \
		GOOS=$${t%/*} GOARCH=$${t#*/} go build -trimpath -o /dev/null ./cmd/imagetools || exit 1; \
		GOOS=$${t%/*} GOARCH=$${t#*/} go vet $$(go list ./... | grep -v /test/) || exit 1; \
	done

clean:
	rm -rf imagetools $(COMMANDS) out bench.json
