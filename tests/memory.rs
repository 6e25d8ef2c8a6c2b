//! Memory: programs that do not fit are refused with the names of what is large; a run takes nothing that it does not give back.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use knuckle::gpu::GpuOptions;
use knuckle::ops::{Adam, Conv2d};
use knuckle::{Error, Executable, Gpu, Recorder, Result, States};

/// The system's allocator, counting.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);

// SAFETY: everything is passed on to the system's allocator.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        LIVE_BYTES.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as asked.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as asked.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time, or the counts are of several.
static ALONE: Mutex<()> = Mutex::new(());

const BUDGET: u64 = 1 << 20;

/// A step of training on images of `size`² pixels.
fn program(gpu: &Gpu, size: usize, states: &States) -> Result<Executable> {
    let r = Recorder::training();
    let mut x = r.input("photo", [1, size, size, 4]);
    for (i, (from, to)) in [(4, 8), (8, 16), (16, 4)].into_iter().enumerate() {
        let weight = r.param(&format!("w{i}"), [3, 3, from, to]);
        x = x.conv2d(weight, Conv2d { padding: 1, ..Conv2d::default() })?.relu()?;
    }
    let loss = x.square()?.mean_all()?;
    r.step(&Adam::default(), &loss.backward()?, r.scalar(1e-3))?;
    gpu.compile_with(&r, [loss], states)
}

#[test]
fn a_program_that_does_not_fit_names_its_largest_tensors_and_leaves_nothing() -> Result<()> {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let gpu = Gpu::open(&GpuOptions { memory_budget: Some(BUDGET), ..GpuOptions::default() })?;
    let states = States::new(&gpu);
    let before = gpu.memory().0;
    let error = program(&gpu, 256, &states).expect_err("several MiB");
    let text = error.to_string();
    let Error::OutOfMemory { needs, limit, largest, .. } = error else { panic!("{text}") };
    assert!(needs > BUDGET && limit == Some(BUDGET - before), "{text}");
    assert_eq!((largest[0].what.as_str(), largest[0].bytes), ("conv2d", 256 * 256 * 16 * 4), "{text}");
    assert!(largest[0].site.is_some_and(|site| site.0.file().ends_with("memory.rs")), "{text}");
    assert!(largest.is_sorted_by(|a, b| a.bytes >= b.bytes) && text.contains("conv2d [1,256,256,16]"), "{text}");
    assert_eq!((gpu.memory().0, states.names()), (before, Vec::new()));
    // What fits still runs; what it holds counts; and what it gave back is there again.
    let mut small = program(&gpu, 16, &states)?;
    let loss = small.run([("photo", &vec![0.5; 16 * 16 * 4])])?.scalar(0);
    assert!(loss.is_finite(), "{loss}");
    let held = gpu.memory().0;
    assert!(before < held && held <= BUDGET, "{held}");
    assert!(
        matches!(program(&gpu, 256, &states), Err(Error::OutOfMemory { limit: Some(left), .. }) if left == BUDGET - held)
    );
    assert_eq!(gpu.memory().0, held);
    drop((small, states));
    gpu.wait()?;
    assert_eq!(gpu.memory().0, before);
    Ok(())
}

#[test]
fn a_steady_step_keeps_nothing_and_allocates_the_same_every_time() -> Result<()> {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let gpu = Gpu::new()?;
    let mut step = program(&gpu, 16, &States::new(&gpu))?;
    let photo = vec![0.5; 16 * 16 * 4];
    let dispatches = step.program().steps.len() as u64;
    let mut turns = |n: usize| -> Result<Vec<u64>> {
        let turn = |_| {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            step.run([("photo", &photo)])?;
            Ok(ALLOCATIONS.load(Ordering::Relaxed) - before)
        };
        (0..n).map(turn).collect()
    };
    turns(20)?;
    let (live, device) = (LIVE_BYTES.load(Ordering::Relaxed), gpu.memory().0);
    let mut counts = turns(40)?;
    let kept = LIVE_BYTES.load(Ordering::Relaxed) - live;
    assert_eq!(gpu.memory().0, device);
    // The driver's and wgpu's own pools may still grow a little.
    assert!(kept < 64 << 10, "40 steps kept {kept} bytes");
    counts.sort_unstable();
    let median = counts[counts.len() / 2];
    println!("{dispatches} dispatches: {median} allocations a step, from {} to {}", counts[0], counts[39]);
    // wgpu's own: those of a command buffer, and a few for each dispatch.
    assert!(median <= 100 + 4 * dispatches, "{median} allocations for {dispatches} dispatches");
    Ok(())
}
