//! Multilevel coarsening of a graph into a binary tree, so that pooling and upsampling become plain strides.
//!
//! Heavy-edge matching as in Graclus (Dhillon, Guan and Kulis 2007, the greedy rule `w_ij (1/d_i + 1/d_j)`) and the reordering with
//! fake nodes of Defferrard et al. 2016, §2.3. Two things differ from Graclus. Nodes are visited by fewest free neighbours first, and
//! leftover nodes are paired along augmenting paths, so few stay single and the padding is small; and ties are broken by
//! index alone, so the tree of a graph is always the same.

use std::collections::BTreeSet;

use super::HandError;
use super::laplacian;
use crate::sparse::Csr;

/// One level of a [`Coarsening`], nodes in tree order.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphLevel {
    /// Number of nodes, fake ones included.
    pub nodes: usize,
    /// Which nodes only fill the tree. A fake node's children are fake; it has no edges.
    pub fake: Vec<bool>,
    /// Edge weights: sums of the finer edges that cross between two nodes; symmetric, no diagonal.
    pub graph: Csr,
    /// The rescaled Laplacian `L~ = 2L/λmax − I` (see [`laplacian`]); a fake node's row holds −1 on the diagonal.
    pub laplacian: Csr,
    /// λmax of this level's normalised Laplacian.
    pub lambda_max: f64,
}

/// A graph and its coarser versions. Node `i` of a level has children `2i` and `2i + 1` on the next finer one.
#[derive(Clone, Debug, PartialEq)]
pub struct Coarsening {
    /// The levels, finest first; every level has half the nodes of the one before.
    pub levels: Vec<GraphLevel>,
    /// The finest node of each vertex of the graph.
    pub node_of_vertex: Vec<u32>,
    /// The vertex of each finest node; none for fake nodes.
    pub vertex_of_node: Vec<Option<u32>>,
}

impl Coarsening {
    /// Pairs the nodes of a graph `pairings` times; `pairings + 1` levels come out. Weights must be symmetric, finite and ≥ 0.
    ///
    /// A node without partner, such as one without edges, takes a fake sibling, so a graph of many small pieces grows.
    pub fn new(graph: &Csr, pairings: usize) -> Result<Self, HandError> {
        laplacian::normalized(graph)?; // refuses what is no graph
        let mut graphs = vec![contract(graph, &(0..graph.rows as u32).collect::<Vec<_>>(), graph.rows)];
        let mut children_of = Vec::new();
        for level in 0..pairings {
            let fine = &graphs[level];
            let mate = matching(fine);
            let (mut parent, mut children) = (vec![u32::MAX; fine.rows], Vec::new());
            for node in 0..fine.rows {
                if parent[node] == u32::MAX {
                    parent[node] = children.len() as u32;
                    if let Some(other) = mate[node] {
                        parent[other as usize] = children.len() as u32;
                    }
                    children.push([Some(node as u32), mate[node]]);
                }
            }
            let coarse = contract(fine, &parent, children.len());
            graphs.push(coarse);
            children_of.push(children);
        }

        // From the coarsest level down, children follow their parents' order.
        let coarsest = &graphs[pairings];
        let mut orders: Vec<Vec<Option<u32>>> = vec![(0..coarsest.rows as u32).map(Some).collect()];
        for children in children_of.iter().rev() {
            let below = |node: &Option<u32>| node.map_or([None, None], |n| children[n as usize]);
            let order = orders[orders.len() - 1].iter().flat_map(below).collect();
            orders.push(order);
        }
        orders.reverse();
        let levels = graphs.iter().zip(&orders).map(|(graph, order)| arranged(graph, order));
        let levels = levels.collect::<Result<Vec<_>, _>>()?;
        let vertex_of_node = orders.swap_remove(0);
        let mut node_of_vertex = vec![0; graph.rows];
        for (node, vertex) in vertex_of_node.iter().enumerate() {
            if let Some(vertex) = vertex {
                node_of_vertex[*vertex as usize] = node as u32;
            }
        }
        Ok(Self { levels, node_of_vertex, vertex_of_node })
    }
}

/// The graph between groups of nodes: weights are summed, edges within a group vanish.
fn contract(graph: &Csr, group: &[u32], groups: usize) -> Csr {
    let crossing = |i: usize| {
        let from = group[i] as usize;
        let edges = graph.row(i).map(move |(j, w)| (from, group[j] as usize, w));
        edges.filter(|&(a, b, w)| a != b && w > 0.0)
    };
    let triplets: Vec<_> = (0..graph.rows).flat_map(crossing).collect();
    Csr::from_triplets(groups, groups, &triplets).expect("groups are numbered from 0")
}

/// A level in tree order.
fn arranged(graph: &Csr, order: &[Option<u32>]) -> Result<GraphLevel, HandError> {
    let mut place = vec![0; graph.rows];
    for (node, old) in order.iter().enumerate() {
        if let Some(old) = old {
            place[*old as usize] = node;
        }
    }
    let edges = |i: usize| graph.row(i).map(|(j, w)| (i, j, w)).collect::<Vec<_>>();
    let moved = (0..graph.rows).flat_map(edges).map(|(i, j, w)| (place[i], place[j], w));
    let graph =
        Csr::from_triplets(order.len(), order.len(), &moved.collect::<Vec<_>>()).expect("places lie in the order");
    let (laplacian, lambda_max) = laplacian::rescaled(&graph)?;
    let fake = order.iter().map(Option::is_none).collect();
    Ok(GraphLevel { nodes: order.len(), fake, graph, laplacian, lambda_max })
}

/// The partner of each node; none for those left over.
fn matching(graph: &Csr) -> Vec<Option<u32>> {
    let n = graph.rows;
    let degree: Vec<f32> = (0..n).map(|i| graph.row(i).map(|e| e.1).sum()).collect();
    let mut mate: Vec<Option<u32>> = vec![None; n];
    let mut free_neighbours: Vec<usize> = (0..n).map(|i| graph.row(i).count()).collect();
    let mut queue: BTreeSet<(usize, usize)> = free_neighbours.iter().copied().zip(0..n).collect();
    while let Some((_, node)) = queue.pop_first() {
        let gain = |j: usize, w: f32| w * (1.0 / degree[node] + 1.0 / degree[j]);
        let free = graph.row(node).filter(|&(j, _)| mate[j].is_none());
        let best = free.fold(None, |best: Option<(usize, f32)>, (j, w)| match best {
            Some((_, most)) if most >= gain(j, w) => best,
            _ => Some((j, gain(j, w))),
        });
        let Some((other, _)) = best else { continue };
        queue.remove(&(free_neighbours[other], other));
        mate[node] = Some(other as u32);
        mate[other] = Some(node as u32);
        for taken in [node, other] {
            for (j, _) in graph.row(taken) {
                if queue.remove(&(free_neighbours[j], j)) {
                    queue.insert((free_neighbours[j] - 1, j));
                }
                free_neighbours[j] -= 1;
            }
        }
    }
    augment(graph, &mut mate);
    mate
}

/// Pairs leftover nodes that an alternating path joins: free – a = b – … – free becomes free = a – b = … = free.
fn augment(graph: &Csr, mate: &mut [Option<u32>]) {
    /// Pairs a path may break up. Longer paths gain little and would take exponential time.
    const MOST_PAIRS: usize = 5;
    for pairs in 1..=MOST_PAIRS {
        for node in 0..mate.len() {
            if mate[node].is_some() {
                continue;
            }
            let mut path = vec![node];
            if alternating(graph, mate, pairs, &mut path) {
                for ends in path.chunks_exact(2) {
                    mate[ends[0]] = Some(ends[1] as u32);
                    mate[ends[1]] = Some(ends[0] as u32);
                }
            }
        }
    }
}

/// Extends `path`, which ends on a node that wants a partner, to a free node by breaking at most `pairs` pairs.
fn alternating(graph: &Csr, mate: &[Option<u32>], pairs: usize, path: &mut Vec<usize>) -> bool {
    let end = path[path.len() - 1];
    for (next, _) in graph.row(end) {
        if path.contains(&next) {
            continue;
        }
        path.push(next);
        let Some(partner) = mate[next] else {
            return true;
        };
        if pairs > 0 && !path.contains(&(partner as usize)) {
            path.push(partner as usize);
            if alternating(graph, mate, pairs - 1, path) {
                return true;
            }
            path.pop();
        }
        path.pop();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hand::{RiggedHand, Topology};

    fn undirected(n: usize, edges: &[(usize, usize, f32)]) -> Csr {
        let both: Vec<_> = edges.iter().flat_map(|&(a, b, w)| [(a, b, w), (b, a, w)]).collect();
        Csr::from_triplets(n, n, &both).unwrap()
    }

    fn hand_graph() -> Csr {
        let hand = RiggedHand::right();
        Topology::new(hand.rest_vertices().len(), hand.faces()).unwrap().graph()
    }

    /// What must hold for every coarsening of every graph.
    fn check(graph: &Csr, pairings: usize) -> Coarsening {
        let c = Coarsening::new(graph, pairings).unwrap();
        assert_eq!(c.levels.len(), pairings + 1);
        assert_eq!(c.levels[0].nodes, c.levels[pairings].nodes << pairings);
        assert_eq!(c.vertex_of_node.len(), c.levels[0].nodes);
        for (vertex, &node) in c.node_of_vertex.iter().enumerate() {
            assert_eq!(c.vertex_of_node[node as usize], Some(vertex as u32));
        }
        assert_eq!(c.vertex_of_node.iter().flatten().count(), graph.rows);
        for (node, vertex) in c.vertex_of_node.iter().enumerate() {
            assert_eq!(c.levels[0].fake[node], vertex.is_none());
        }
        for (i, j, w) in (0..graph.rows).flat_map(|i| graph.row(i).map(move |(j, w)| (i, j, w))) {
            let (i, j) = (c.node_of_vertex[i] as usize, c.node_of_vertex[j]);
            assert!(c.levels[0].graph.row(i).any(|e| e == (j as usize, w)));
        }
        assert_eq!(c.levels[0].graph.entries(), graph.entries());
        for level in &c.levels {
            assert_eq!(
                (level.graph.rows, level.laplacian.rows, level.fake.len()),
                (level.nodes, level.nodes, level.nodes)
            );
            for node in (0..level.nodes).filter(|&n| level.fake[n]) {
                assert_eq!(level.graph.row(node).count(), 0);
                assert_eq!(level.laplacian.row(node).collect::<Vec<_>>(), [(node, -1.0)]);
            }
            assert_eq!(level.graph.transpose(), level.graph);
        }
        for pair in c.levels.windows(2) {
            let (fine, coarse) = (&pair[0], &pair[1]);
            assert_eq!(fine.nodes, 2 * coarse.nodes);
            for node in 0..coarse.nodes {
                assert_eq!(coarse.fake[node], fine.fake[2 * node] && fine.fake[2 * node + 1]);
                let siblings = fine.graph.row(2 * node).any(|e| e.0 == 2 * node + 1);
                assert_eq!(siblings, !fine.fake[2 * node] && !fine.fake[2 * node + 1], "only neighbours are paired");
            }
            let folded: Vec<u32> = (0..fine.nodes as u32).map(|n| n / 2).collect();
            assert_eq!(contract(&fine.graph, &folded, coarse.nodes), coarse.graph);
        }
        c
    }

    #[test]
    fn heavy_edges_pair_first() {
        // A path with a heavy middle edge: pairing along it would strand both ends.
        let c = check(&undirected(4, &[(0, 1, 1.0), (1, 2, 9.0), (2, 3, 1.0)]), 1);
        assert_eq!(c.levels[0].nodes, 4);
        // A square with two heavy sides pairs along them.
        let c = check(&undirected(4, &[(0, 1, 1.0), (1, 2, 9.0), (2, 3, 1.0), (3, 0, 9.0)]), 1);
        let parent = |v: usize| c.node_of_vertex[v] / 2;
        assert_eq!((parent(1), parent(3)), (parent(2), parent(0)));
        assert_eq!(c.levels[1].graph.val, [2.0, 2.0]);
    }

    #[test]
    fn augmenting_paths_rescue_single_nodes() {
        // Greedy may pair 2–3 here and strand 0 and 5; a perfect matching exists.
        let graph = undirected(6, &[(0, 1, 1.0), (1, 2, 5.0), (2, 3, 9.0), (3, 4, 5.0), (4, 5, 1.0)]);
        assert!(matching(&graph).iter().all(Option::is_some));
        let mut mate = vec![None, Some(2), Some(1), Some(4), Some(3), None];
        augment(&graph, &mut mate);
        assert_eq!(mate, [1, 0, 3, 2, 5, 4].map(Some));
    }

    #[test]
    fn odd_stars_and_disconnected_graphs_are_padded() {
        let star = undirected(4, &[(0, 1, 1.0), (0, 2, 1.0), (0, 3, 1.0)]);
        let c = check(&star, 2);
        assert_eq!(c.levels.iter().map(|l| l.nodes).collect::<Vec<_>>(), [8, 4, 2]);
        let triangles = undirected(7, &[(0, 1, 1.0), (1, 2, 1.0), (2, 0, 1.0), (3, 4, 1.0), (4, 5, 1.0), (5, 3, 1.0)]);
        let c = check(&triangles, 3);
        assert_eq!(c.levels[3].graph.entries(), 0, "three pieces remain three nodes");
        assert_eq!(c.levels[3].nodes, 3);
        assert_eq!(check(&undirected(3, &[]), 2).levels[0].nodes, 12);
        assert_eq!(check(&undirected(0, &[]), 2).levels[0].nodes, 0);
        assert_eq!(check(&star, 0).node_of_vertex, [0, 1, 2, 3]);
    }

    #[test]
    fn hand_needs_little_padding() {
        let c = check(&hand_graph(), 4);
        let sizes: Vec<usize> = c.levels.iter().map(|l| l.nodes).collect();
        // ⌈1159 / 16⌉ · 16: no tree of this depth can be smaller.
        assert_eq!(sizes, [1168, 584, 292, 146, 73]);
        assert!(c.levels.iter().all(|l| (1.0..=2.0).contains(&l.lambda_max)));
    }

    #[test]
    fn same_graph_same_tree() {
        assert_eq!(Coarsening::new(&hand_graph(), 4).unwrap(), Coarsening::new(&hand_graph(), 4).unwrap());
    }

    #[test]
    fn asymmetric_weights_are_refused() {
        let graph = Csr::from_triplets(2, 2, &[(0, 1, 1.0)]).unwrap();
        assert!(matches!(Coarsening::new(&graph, 1), Err(HandError::NotAGraph { .. })));
    }
}
