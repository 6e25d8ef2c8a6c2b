//! The smallest device that WebGPU allows: the whole case table on it, and shapes past its limits and past what shaders can
//! count, which are right or refused with a typed error.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use kernels_tests::{cases, harness};
use knuckle::error::Mismatch;
use knuckle::exec::{AdapterClass, CompileOptions, Lowering, Passes, Program, Shader, Target, compile};
use knuckle::gpu::GpuOptions;
use knuckle::ops::{Conv2d, Operator, Projection, Raster, SpmmMatrix, TriangleMesh, VjpCall};
use knuckle::sparse::Csr;
use knuckle::{DType, Error, Gpu, Recorder, Result, States, TensorType, Var};

/// The adapter with WebGPU's default limits and no optional features.
static SMALLEST: LazyLock<Gpu> = LazyLock::new(|| {
    let options = GpuOptions { webgpu_defaults: true, ..GpuOptions::default() };
    Gpu::open(&options).unwrap_or_else(|e| panic!("kernels are proved on an adapter, and none opens: {e}"))
});

/// What programs are lowered for there: buffers only, for images over them are no part of WebGPU.
fn smallest() -> Target {
    Target { class: SMALLEST.target().class, ..Target::webgpu_defaults() }
}

#[test]
fn the_smallest_device_has_the_least_of_everything() {
    let Target { class, images, coarse_from, .. } = *SMALLEST.target();
    assert_eq!(*SMALLEST.target(), Target { class, images, coarse_from, ..Target::webgpu_defaults() });
    assert!(!SMALLEST.has_timestamps(), "an optional feature");
}

/// `cargo run --release -p kernels-tests -- --webgpu-defaults` runs the whole table there.
#[test]
fn every_operator_passes_on_the_smallest_device() {
    // It has no f16.
    let singles = cases::all().into_iter().filter(|case| case.dtype == DType::F32).collect();
    let (cases, target, next) = (cases::some_of_each(singles, 6), smallest(), AtomicUsize::new(0));
    let worker = || {
        let mine = std::iter::from_fn(|| cases.get(next.fetch_add(1, Ordering::Relaxed)));
        mine.filter_map(|case| harness::check_on(case, &SMALLEST, &target).err())
            .map(|failure| failure.to_string())
            .collect::<Vec<_>>()
    };
    let failures: Vec<String> = thread::scope(|scope| {
        let workers = [(); 2].map(|()| scope.spawn(worker));
        workers.into_iter().flat_map(|w| w.join().expect("no panic")).collect()
    });
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn lower(r: &Recorder, y: Var<'_>, target: &Target) -> Result<Program> {
    // Each operator by its own kernels.
    let options = CompileOptions { effects: false, passes: Passes::none(), ..CompileOptions::default() };
    r.with_graph(|graph| compile(graph, &[(String::new(), y.id())], target, options))
}

/// An operator on one large operand whose elements are [`element`], of any size, with what an element of the result is.
struct Large {
    name: &'static str,
    /// The shape, so that about as many threads have work.
    dims: fn(usize) -> Vec<usize>,
    record: fn(Var<'_>) -> Result<Var<'_>>,
    /// The result at a place, from the operand's shape and elements.
    expected: Expected,
}

type Expected = fn(&[usize], &dyn Fn(usize) -> f32, usize) -> f32;

/// Whole numbers, so that sums are exact.
fn element(i: usize) -> f32 {
    (i % 251) as f32 - 125.0
}

/// The side of a square image of about `n` pixels.
fn side(n: usize) -> usize {
    (n as f64).sqrt() as usize + 2
}

fn two_by_two() -> std::sync::Arc<SpmmMatrix> {
    let csr = Csr::from_triplets(2, 2, &[(0, 0, 2.0), (0, 1, 1.0), (1, 0, -3.0)]).expect("inside");
    SpmmMatrix::new(csr).expect("consistent")
}

/// One of every family.
const LARGE: &[Large] = &[
    Large {
        name: "element by element",
        dims: |threads| vec![4 * threads],
        record: |x| x.relu(),
        expected: |_, x, i| x(i).max(0.0),
    },
    Large {
        name: "gradient of a function",
        dims: |threads| vec![4 * threads],
        record: |x| Ok(x.square()?.sum_all()?.backward_to(&[x])?.of(x).expect("a gradient")),
        expected: |_, x, i| 2.0 * x(i),
    },
    Large {
        name: "broadcast",
        dims: |threads| vec![threads / 5 + 1, 5],
        record: |x| x.mul(x.recorder().constant([5], &[1.0, 2.0, 3.0, 4.0, 5.0])?),
        expected: |_, x, i| x(i) * (i % 5 + 1) as f32,
    },
    Large {
        name: "permutation",
        dims: |threads| vec![2, threads / 2 + 1],
        record: |x| x.permute(&[1, 0]),
        expected: |dims, x, i| x(i % 2 * dims[1] + i / 2),
    },
    Large {
        name: "sum",
        dims: |threads| vec![threads, 2],
        record: |x| x.sum(&[1]),
        expected: |_, x, i| x(2 * i) + x(2 * i + 1),
    },
    Large {
        name: "place of the largest",
        dims: |threads| vec![threads, 2],
        record: |x| x.arg_max(1),
        expected: |_, x, i| if x(2 * i + 1) > x(2 * i) { 1.0 } else { 0.0 },
    },
    Large {
        name: "slice",
        dims: |threads| vec![threads, 2],
        record: |x| x.slice(1, 1, 1),
        expected: |_, x, i| x(2 * i + 1),
    },
    Large {
        name: "concatenation",
        dims: |threads| vec![threads, 1],
        record: |x| x.recorder().concat(&[x, x.scale(-1.0)?], 1),
        expected: |_, x, i| if i % 2 == 0 { x(i / 2) } else { -x(i / 2) },
    },
    Large {
        name: "convolution",
        dims: |threads| vec![1, side(2 * threads), side(2 * threads), 1],
        record: |x| {
            let weight = x.recorder().constant([2, 2, 1, 1], &[1.0, 2.0, 3.0, 4.0])?;
            x.conv2d(weight, Conv2d::default())
        },
        expected: |dims, x, i| {
            let at = i / (dims[2] - 1) * dims[2] + i % (dims[2] - 1);
            x(at) + 2.0 * x(at + 1) + 3.0 * x(at + dims[2]) + 4.0 * x(at + dims[2] + 1)
        },
    },
    Large {
        name: "matrix product",
        // Four columns a thread, and not a multiple of eight.
        dims: |threads| vec![1, (4 * threads).next_multiple_of(8) + 4],
        record: |x| x.recorder().constant([1, 1], &[3.0])?.matmul(x),
        expected: |_, x, i| 3.0 * x(i),
    },
    Large {
        name: "pooling",
        dims: |threads| vec![1, side(threads), side(threads), 1],
        record: |x| x.max_pool2d(2, 1, 0),
        expected: |dims, x, i| {
            let at = i / (dims[2] - 1) * dims[2] + i % (dims[2] - 1);
            [x(at), x(at + 1), x(at + dims[2]), x(at + dims[2] + 1)].into_iter().fold(f32::MIN, f32::max)
        },
    },
    Large {
        name: "upsampling",
        dims: |threads| vec![1, side(threads / 4), side(threads / 4), 1],
        record: |x| x.upsample_nearest(2),
        expected: |dims, x, i| {
            let (row, column) = (i / (2 * dims[2]), i % (2 * dims[2]));
            x(row / 2 * dims[2] + column / 2)
        },
    },
    Large {
        name: "gathering",
        dims: |threads| vec![threads / 2 + 1, 3, 1],
        record: |x| x.gather_rows(&[2, 0]),
        expected: |_, x, i| x(i / 2 * 3 + if i % 2 == 0 { 2 } else { 0 }),
    },
    Large {
        name: "rasteriser",
        // A picture of one pixel for each of a third as many depths, as its corners are projected first.
        dims: |threads| vec![threads / 3 + 1, 1, 1],
        record: |x| {
            let (r, n) = (x.recorder(), x.shape().dims()[0]);
            let away = x.mul(r.constant([1, 3, 3], &[0.0, 0.0, 1.0].repeat(3))?)?;
            let corners = [[-1.5, -1.5, 0.0], [2.5, -1.5, 0.0], [0.5, 2.5, 0.0f32]];
            let vertices = away.add(r.constant([1, 3, 3], corners.as_flattened())?)?;
            let camera = Projection::Orthographic(r.constant([1, 4], &[1.0, 1.0, 0.0, 0.0])?.broadcast([n, 4])?);
            let raster = Raster { near: -200.0, ..Raster::new(1, 1) };
            vertices.rasterize(&TriangleMesh::new(3, &[[0, 1, 2]])?, camera, raster)?.depth(0.0)
        },
        expected: |_, x, i| x(i),
    },
    Large {
        name: "sparse product",
        dims: |threads| vec![threads / 2 + 1, 2, 1],
        record: |x| x.spmm(&two_by_two()),
        expected: |_, x, i| if i % 2 == 0 { 2.0 * x(i) + x(i + 1) } else { -3.0 * x(i - 1) },
    },
];

/// Runs an operator on the smallest device and compares some elements all over the result. Gives the program's largest grid.
fn run(large: &Large, dims: &[usize]) -> Result<[u32; 3]> {
    let r = Recorder::new();
    let y = (large.record)(r.input("x", dims))?;
    let program = lower(&r, y, &smallest())?;
    let grid =
        program.steps.iter().map(|s| s.groups).max_by_key(|g| u64::from(g[0]) * u64::from(g[1])).expect("a step");
    let x: Vec<f32> = (0..dims.iter().product()).map(element).collect();
    let out = SMALLEST.load(program, &States::new(&SMALLEST))?.run([("x", &x)])?;
    let got: Vec<f32> = match out.ty(0).dtype {
        DType::F32 | DType::F16 => out.f32(0).to_vec(),
        DType::U32 => out.u32(0).iter().map(|&v| v as f32).collect(),
    };
    assert_eq!(got.len(), y.shape().numel(), "{}", large.name);
    // From both ends, and a stride that meets every residue.
    let n = got.len();
    let places = (0..n.min(300)).chain(n - n.min(300)..n).chain((0..n).step_by(n / 5_000 + 1));
    for i in places {
        assert_eq!(got[i], (large.expected)(dims, &element, i), "{}: element {i} of {n}", large.name);
    }
    Ok(grid)
}

#[test]
fn more_than_65535_workgroups_are_right() -> Result<()> {
    let threads = (Target::webgpu_defaults().max_groups as usize + 1) * smallest().lanes() as usize;
    for large in LARGE {
        let [x, y, _] = run(large, &(large.dims)(threads)).unwrap_or_else(|e| panic!("{}: {e}", large.name));
        assert!(y > 1, "{}: a grid of {x} × {y} is not folded", large.name);
    }
    Ok(())
}

#[test]
fn a_tensor_of_all_that_can_be_bound_is_right() -> Result<()> {
    let most = Target::webgpu_defaults().max_binding_bytes as usize / 4;
    for large in LARGE.iter().filter(|l| ["element by element", "slice"].contains(&l.name)) {
        let dims = if large.name == "slice" { vec![most / 2, 2] } else { vec![most] };
        run(large, &dims)?;
    }
    Ok(())
}

#[test]
fn a_tensor_past_what_can_be_bound_is_refused_with_its_line() {
    let most = Target::webgpu_defaults().max_binding_bytes as usize / 4;
    for class in [AdapterClass::Hardware, AdapterClass::Software] {
        let target = Target { class, ..Target::webgpu_defaults() };
        for large in LARGE {
            let r = Recorder::new();
            let y = (large.record)(r.input("x", (large.dims)(2 * most))).expect("countable");
            match lower(&r, y, &target) {
                Err(Error::BindingTooLarge { bytes, limit, site, .. }) => {
                    assert!(bytes > limit && site.0.file().ends_with("limits.rs"), "{}: {site}", large.name);
                }
                other => panic!("{}: {:?}", large.name, other.map(|program| program.dump())),
            }
        }
    }
}

#[test]
fn more_elements_than_shaders_count_are_refused_when_recorded() {
    for large in LARGE {
        for elements in [1 << 31, 1 << 32, usize::MAX / 16] {
            let r = Recorder::new();
            match (large.record)(r.input("x", (large.dims)(elements))) {
                Err(Error::Operand { op, expected, site, .. }) => {
                    assert!(expected.contains("elements"), "{}: {op} expects {expected}", large.name);
                    assert!(site.0.file().ends_with("limits.rs"), "{}: {site}", large.name);
                }
                other => panic!("{}: {other:?}", large.name),
            }
        }
    }
    // Operands that can be counted whose result cannot.
    let r = Recorder::new();
    let (column, row) = (r.input("column", [1 << 16, 1]), r.input("row", [1, 1 << 16]));
    let image = r.input("image", [1, 1 << 14, 1 << 14, 1]);
    let graph = r.input("graph", [1 << 20, 2, 1]);
    let results = [
        column.add(row),
        column.matmul(row),
        column.broadcast([1 << 16, 1 << 16]),
        image.upsample_nearest(4),
        image.conv2d(r.input("w", [1, 1, 1, 8]), Conv2d::default()),
        image.conv2d(r.input("v", [1, 1, 1, 1]), Conv2d { padding: 1 << 15, ..Conv2d::default() }),
        graph.graph_upsample(1 << 14),
        graph.gather_rows(&[0; 2048]),
        r.concat(&[image, image, image, image, image], 0),
        r.gaussian_heatmaps(graph.reshape([1, 1 << 20, 2]).expect("as many"), 1 << 10, 1 << 10, 1.0),
    ];
    for (i, result) in results.into_iter().enumerate() {
        match result {
            Err(Error::Operand { operand, expected, .. }) => {
                assert!(operand == "result" && expected.contains("elements"), "{i}: {operand}: {expected}");
            }
            other => panic!("{i}: {other:?}"),
        }
    }
}

/// Four images of 512 × 512: a board of 800 faces at another depth in each, with gradients.
#[test]
fn a_batch_of_large_images_is_drawn_on_the_smallest_device() -> Result<()> {
    const SIDE: usize = 21;
    const IMAGES: usize = 4;
    let board: Vec<[f32; 2]> =
        (0..SIDE * SIDE).map(|i| [i % SIDE, i / SIDE].map(|k| k as f32 * 20.0 + 50.25)).collect();
    let mut faces = Vec::new();
    for corner in (0..SIDE * (SIDE - 1)).filter(|i| i % SIDE < SIDE - 1) {
        let [a, b, c, d] = [0, 1, SIDE + 1, SIDE].map(|by| (corner + by) as u32);
        faces.extend([[a, b, c], [a, c, d]]);
    }
    let depth_of = |image: usize| (image + 2) as f32;
    let vertices: Vec<f32> = (0..IMAGES)
        .flat_map(|k| board.iter().flat_map(move |[x, y]| [x * depth_of(k), y * depth_of(k), depth_of(k)]))
        .collect();
    let r = Recorder::new();
    let x = r.input("vertices", [IMAGES, SIDE * SIDE, 3]);
    let camera = r.constant([IMAGES, 4], &[1.0, 1.0, 0.0, 0.0].repeat(IMAGES))?;
    let raster = Raster { near: 0.1, ..Raster::new(512, 512) };
    let drawn = x.rasterize(&TriangleMesh::new(SIDE * SIDE, &faces)?, Projection::Perspective(camera), raster)?;
    let (depth, soft) = (drawn.depth(0.0)?, drawn.soft_silhouette(2.0)?);
    let images = [depth, soft, drawn.edge_silhouette()?, drawn.barycentrics()?.sum(&[3])?];
    let mut outputs = images.to_vec();
    for image in [depth, soft] {
        outputs.push(image.sum_all()?.backward_to(&[x])?.of(x).expect("a gradient"));
    }
    let outputs: Vec<_> = outputs.iter().map(|v| (String::new(), v.id())).collect();
    let options = CompileOptions { effects: false, ..CompileOptions::default() };
    let program = r.with_graph(|graph| compile(graph, &outputs, &smallest(), options))?;
    let out = SMALLEST.load(program, &States::new(&SMALLEST))?.run([("vertices", &vertices[..])])?;
    for k in 0..IMAGES {
        for pixel in 0..512 * 512 {
            let place = k * 512 * 512 + pixel;
            // From 50.25 to 450.25: the centres 50.5 to 449.5.
            let inside = [pixel % 512, pixel / 512].iter().all(|p| (50..450).contains(p));
            let want = if inside { depth_of(k) } else { 0.0 };
            assert!((out.f32(0)[place] - want).abs() < 1e-5, "image {k}, pixel {pixel}: {}", out.f32(0)[place]);
            assert_eq!(out.f32(2)[place], f32::from(u8::from(inside)), "image {k}, pixel {pixel}");
            assert!((out.f32(3)[place] - out.f32(2)[place]).abs() < 1e-5, "image {k}, pixel {pixel}");
            // Where faces meet each has half of it; none reaches farther than seven pixels.
            let beyond = [pixel % 512, pixel / 512].iter().any(|p| !(43..457).contains(p));
            let soft = out.f32(1)[place];
            assert!(if inside { soft > 0.49 } else { soft < 0.9 }, "image {k}, pixel {pixel}: {soft}");
            assert!(!beyond || soft == 0.0, "image {k}, pixel {pixel}: {soft}");
        }
        let of_image = |i: usize| out.f32(i).chunks(out.f32(i).len() / IMAGES).nth(k).expect("an image");
        let of_z: f64 = of_image(4).iter().skip(2).step_by(3).map(|g| f64::from(*g)).sum();
        // Moved away without its place in the image: the board's depth is the pixel's, but smaller it covers as many pixels.
        assert!((of_z - 160_000.0).abs() < 160.0, "image {k}: {of_z}");
        assert!(of_image(5).iter().any(|g| g.abs() > 0.1), "image {k}");
    }
    Ok(())
}

/// An operator that asks a shader for more than it can count.
#[derive(Debug, Clone, Copy)]
struct Greedy {
    scratch: usize,
    count: usize,
    threads: usize,
}

const TEXT: &str = "
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> scratch: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < params.count {
        y[id.x] = f32(WIDTH);
        scratch[id.x] = 0.0;
    }
}";

const GREEDY: Shader = Shader { name: "greedy.wgsl", sources: &[TEXT] };

impl Operator for Greedy {
    fn name(&self) -> &'static str {
        "greedy"
    }

    fn infer(&self, inputs: &[&TensorType]) -> Result<TensorType, Mismatch> {
        Ok(inputs[0].clone())
    }

    fn vjp<'r>(&self, _: &VjpCall<'r>) -> Result<Vec<Option<Var<'r>>>> {
        Ok(vec![None])
    }

    fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (scratch, y) = (lowering.scratch(self.scratch), lowering.output());
        let dispatch = lowering.dispatch(&GREEDY).define("WIDTH", self.count).bind("scratch", scratch).bind("y", y);
        dispatch.param("count", self.count).threads(self.threads)
    }
}

#[test]
fn numbers_that_a_shader_cannot_hold_are_refused() {
    let modest = Greedy { scratch: 4, count: 4, threads: 4 };
    let what = |greedy: Greedy, target: &Target| {
        let r = Recorder::new();
        let y = r.apply(greedy, &[r.input("x", [4])]).expect("recorded");
        match lower(&r, y, target) {
            Ok(_) => "",
            Err(Error::KernelLimit { what, needs, has, site, .. }) => {
                assert!(needs > has && site.0.file().ends_with("limits.rs"), "{needs} of {has} at {site}");
                what
            }
            Err(other) => panic!("{other}"),
        }
    };
    let least = Target::webgpu_defaults();
    let endless = Target { max_groups: u32::MAX, max_binding_bytes: u64::MAX, ..least.clone() };
    assert_eq!(what(modest, &least), "");
    assert_eq!(what(Greedy { scratch: 1 << 25, ..modest }, &least), "");
    assert_eq!(what(Greedy { scratch: (1 << 25) + 1, ..modest }, &least), "bytes in a binding");
    assert_eq!(what(Greedy { scratch: usize::MAX, ..modest }, &least), "bytes in a binding");
    assert_eq!(what(Greedy { count: u32::MAX as usize, ..modest }, &least), "");
    assert_eq!(what(Greedy { count: 1 << 32, ..modest }, &least), "in a number of 32 bits");
    assert_eq!(what(Greedy { threads: 65_535 * 65_535 * 64 + 1, ..modest }, &least), "workgroups a dimension");
    assert_eq!(what(Greedy { threads: 1 << 32, ..modest }, &endless), "");
    assert_eq!(what(Greedy { threads: (1 << 32) + 1, ..modest }, &endless), "invocations");
    assert_eq!(what(Greedy { threads: usize::MAX, ..modest }, &endless), "invocations");
}
