# What there is to do here. Every recipe is one or two commands that can be typed as well; `just` itself isn't needed. Those
# named as a step of `.ci/run` are that step, as CI runs it.

# The list
[private]
default:
    @just --list --unsorted

# Everything on one machine: a control plane, three coordinators in memory, the operator, the examples
try:
    cargo run -- demo

# Everything that has to hold before a change is merged
all:
    .ci/run

# The steps of that by name, and one or more of them
steps *NAMES="--list":
    .ci/run {{ NAMES }}

# Formats the sources
fix:
    cargo fmt --all

# rustfmt changes nothing
format:
    .ci/run format

# clippy has no warning
lints:
    .ci/run lints

# licences, sources, duplicates and advisories of what is linked
dependencies:
    .ci/run dependencies

# the whole thing, as a user starts it
demo:
    .ci/run demo

# cargo test
tests:
    .ci/run tests

# users act while everything fails: nothing is lost, stuck, or touched that is not ours
storm:
    .ci/run storm

# every command and manifest of the documentation
docs:
    .ci/run docs

# a real Argo CD syncs our kinds from a repository; kstatus
argocd:
    .ci/run argocd

# the same program with the feature otlp
traces:
    .ci/run traces

# each parser takes a minute of what nobody meant
fuzz:
    .ci/run fuzz

# the Dockerfile's last stage is built, and the operator works in it
image:
    .ci/run image

# The tests that need no control plane: seconds
quick:
    cargo test --lib

# The laws of the plans, with many more cases of their own
laws CASES="10000":
    PROPTEST_CASES={{ CASES }} cargo test --test laws

# Writes what is generated: CRDs, chart, roles, pages
generate:
    cargo run -- crds --output crds
    cargo run -- chart --output deploy/chart
    cargo run -- rbac --output deploy
    cargo run -- docs --output docs

# The contract against a real server, in Docker
contract VERSION="3.12" SHAPE="single":
    .ci/contract {{ VERSION }} {{ SHAPE }}
