//! A rigged hand: skinning data, mesh topology, coarsening, cameras and joint orders.
