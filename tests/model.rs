//! The graph CNN as a whole: it compiles, its outputs have the promised shapes and depend on the photo, and memory is reused.

use knuckle::hand::RiggedHand;
use knuckle::models::{GraphCnnConfig, MeshGraph, Network};
use knuckle::rng::Rng;
use knuckle::{Gpu, Recorder, Result};

#[test]
fn small_network_predicts() -> Result<()> {
    let gpu = Gpu::new()?;
    let config = GraphCnnConfig::small();
    let mesh = MeshGraph::new(&RiggedHand::right())?;
    let network = Network { config: &config, mesh: &mesh };
    let r = Recorder::new();
    let size = config.input_px;
    let prediction = network.predict(r.input("photo", [1, size, size, 3]))?;
    let joints = network.joints(prediction.mesh_uvd)?;
    assert_eq!(prediction.heatmaps.len(), config.stacks);
    let mut exe = gpu.compile(&r, [prediction.heatmaps[config.stacks - 1], prediction.mesh_uvd, joints])?;
    let program = exe.program();
    let (planned, alone) = (program.plan.slots.iter().sum::<u64>(), program.temps.iter().map(|t| t.bytes).sum::<u64>());
    assert!(planned * 4 <= alone, "slots take {planned} bytes, {alone} without reuse");
    let mut rng = Rng::new(1, 1);
    let mut photo = || -> Vec<f32> { (0..size * size * 3).map(|_| rng.uniform()).collect() };
    let (first, second) = (photo(), photo());
    let a = exe.run([("photo", &first)])?;
    let side = config.heatmap_px();
    assert_eq!(a.ty(0).shape.dims(), [1, side, side, 21]);
    assert_eq!(a.ty(1).shape.dims(), [1, mesh.vertices, 3]);
    assert_eq!(a.ty(2).shape.dims(), [1, 21, 3]);
    assert!((0..3).all(|i| a.f32(i).iter().all(|v| v.is_finite())));
    let b = exe.run([("photo", &second)])?;
    let again = exe.run([("photo", &first)])?;
    for i in 0..3 {
        assert_ne!(a.f32(i), b.f32(i), "output {i} ignores the photo");
        assert_eq!(a.f32(i), again.f32(i), "output {i} is not reproducible");
    }
    Ok(())
}
