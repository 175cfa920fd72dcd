# syntax=docker/dockerfile:1
# The operator's image: one program and its licences, on glibc and the certificates of well-known authorities. Nothing in it
# can be run but the program.
#
#   docker build --tag arango-operator .
#
# How it is tested, published and verified: docs/image.md

# What the program stands on; another that has glibc serves, too. Here, so that tests can name their own.
ARG BASE=gcr.io/distroless/cc-debian13:nonroot@sha256:54df941ed0d06a1bd95ef5e0ce391fd8d9f94b64782dc9a60062727849ee3f97

# The compiler of rust-toolchain.toml, on the Debian whose C library the base has.
FROM docker.io/library/rust:1.95.0-slim-trixie@sha256:e14e87345b4d5964ddcc3491d27ee046a0f23820f340c3c1e24da6880141f7c0 AS build
WORKDIR /src
# cargo-auditable puts the list of crates into the program, where scanners of images find it; cargo-about collects the
# licences of what is linked.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo install --locked cargo-auditable@0.7.7 && \
    cargo install --locked cargo-about@0.9.3 --features cli
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    mkdir /out && \
    cargo auditable build --release --locked --bin arango-operator && \
    cargo about generate --locked --fail --config deploy/image/licences.toml --output-file /out/THIRD-PARTY \
      deploy/image/licences.hbs && \
    cp target/release/arango-operator LICENSE /out/

FROM ${BASE} AS final
ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="arango-operator" \
      org.opencontainers.image.description="Databases, users and permissions inside ArangoDB, declared as Kubernetes resources" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/arango-operator/arango-operator" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build --chown=0:0 --chmod=0444 /out/LICENSE /out/THIRD-PARTY /usr/share/doc/arango-operator/
COPY --from=build --chown=0:0 --chmod=0555 /out/arango-operator /usr/local/bin/arango-operator
# A number, so that `runAsNonRoot` can be checked by who starts it. Any other works as well.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/arango-operator"]
