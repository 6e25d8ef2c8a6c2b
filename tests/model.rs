//! The graph CNN as a whole: it compiles, trains and infers.

use knuckle::hand::RiggedHand;
use knuckle::models::{GraphCnnConfig, MeshGraph, Network};
use knuckle::rng::Rng;
use knuckle::{Gpu, Recorder, Result};

#[test]
fn small_network_predicts() -> Result<()> {
    let gpu = Gpu::new()?;
    let config = GraphCnnConfig::small();
    let mesh = MeshGraph::new(&RiggedHand::right())?;
    println!("{:?}", mesh.nodes);
    let network = Network { config: &config, mesh: &mesh };
    let r = Recorder::new();
    let p = network.predict(r.input("photo", [1, 128, 128, 3]))?;
    let joints = network.joints(p.mesh_uvd)?;
    let mut exe = gpu.compile(&r, [p.heatmaps[1], p.mesh_uvd, joints])?;
    println!("{}", exe.dump().lines().take(3).collect::<Vec<_>>().join("\n"));
    let mut rng = Rng::new(1, 1);
    let photo: Vec<f32> = (0..128 * 128 * 3).map(|_| rng.uniform()).collect();
    let out = exe.run([("photo", &photo)])?;
    println!("{:?} {:?}", &out.f32(1)[..6], &out.f32(2)[..6]);
    for _ in 0..3 {
        let t = std::time::Instant::now();
        exe.run([("photo", &photo)])?;
        println!("{:?}", t.elapsed());
    }
    Ok(())
}
