//! `knuckle info`.

use knuckle::{Gpu, Result, gpu};

/// Prints every adapter, the one that would be used, and its limits.
pub fn run() -> Result<()> {
    println!("adapters, best first:");
    for adapter in gpu::adapters() {
        println!("  {}  {adapter}", adapter.index);
        println!(
            "     features: {}",
            if adapter.features.is_empty() { "none".into() } else { adapter.features.join(", ") }
        );
    }
    match std::env::var("KNUCKLE_ADAPTER") {
        Ok(wanted) => println!("KNUCKLE_ADAPTER is `{wanted}`"),
        Err(_) => println!("KNUCKLE_ADAPTER is not set: the first is used (set it to part of a name, or to a number)"),
    }
    let gpu = Gpu::new()?;
    let target = gpu.target();
    println!("using {}", gpu.adapter());
    println!("  bytes a binding             {}", target.max_binding_bytes);
    println!("  storage buffers a stage     {}", target.max_storage_buffers);
    println!("  workgroups a dimension      {}", target.max_groups);
    println!("  invocations a workgroup     {}", target.max_invocations);
    println!("  bytes of workgroup memory   {}", target.max_workgroup_bytes);
    println!("  kernels tuned for           {:?}", target.class);
    Ok(())
}
