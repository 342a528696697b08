//! The program: everything is in the library.

/// A call makes some dozens of small allocations; this allocator halves what they cost and gives idle memory back
/// (`docs/benchmarks.md`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    gatehouse::cli::run()
}
