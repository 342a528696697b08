//! The program: everything is in the library.

/// A call makes some dozens of small allocations; this allocator halves what they cost (`docs/benchmarks.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    gatehouse::cli::run()
}
