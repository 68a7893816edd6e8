//! Takes the time of every step: `cargo bench -p portcullis-micro --bench clock -- NAME`.

use criterion::Criterion;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> steps::Fallible<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for step in steps::all()? {
        // Made ready only if it is asked for.
        criterion.bench_function(&step.name, |bencher| {
            if let Ok(mut ready) = step.prepare() {
                bencher.iter(|| (ready.run)());
            }
        });
    }
    criterion.final_summary();
    Ok(())
}
