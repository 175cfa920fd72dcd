# syntax=docker/dockerfile:1
# The operator's image: one program and its licences, on glibc and the certificates of well-known authorities. Nothing in it
# can be run but the program.
#
#   docker build --tag arango-operator .
#
# How it is tested, published and verified: docs/image.md

# What the program stands on; another that has glibc serves, too. Here, so that tests can name their own.
ARG BASE=gcr.io/distroless/cc-debian13:nonroot@sha256:54df941ed0d06a1bd95ef5e0ce391fd8d9f94b64782dc9a60062727849ee3f97

# The compiler of rust-toolchain.toml. On an older Debian than the base's, so that the program runs on either, and outside of
# the image from glibc 2.36 on.
FROM docker.io/library/rust:1.95.0-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082 AS build
WORKDIR /src
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Puts the list of crates into the program, where scanners of images find it.
RUN --mount=type=cache,target=/usr/local/cargo/registry cargo install --locked cargo-auditable@0.7.7
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    mkdir /out && \
    cargo auditable build --release --locked --bin arango-operator && \
    cp target/release/arango-operator LICENSE /out/
# The licences of all that may be linked, as each crate has them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    cargo vendor --locked --versioned-dirs /vendor >/dev/null && \
    find /vendor -mindepth 2 -maxdepth 2 -type f -iregex '.*/\(un\)?\(licen[cs]e\|copying\|notice\)[^/]*' -print0 | \
    sort --zero-terminated | xargs --null tail --verbose --lines=+1 >/out/THIRD-PARTY && \
    test -s /out/THIRD-PARTY && rm -r /vendor

# The program alone, for archives: docker build --target program --output FOLDER .
FROM scratch AS program
COPY --from=build /out/ /

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
