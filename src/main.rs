//! The one binary.

use std::process::ExitCode;

// A fleet is read in large pieces and kept in small ones: of what the pieces took, this one gives back more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // One TLS provider for kube and reqwest. An error means that one is already installed: then that one serves.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    arango_operator::cli::main()
}
