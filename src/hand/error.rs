//! What can be wrong with a hand model or with a mesh.

/// A hand file or mesh that cannot be used, with what was expected and what was found.
#[derive(Debug, thiserror::Error)]
pub enum HandError {
    /// Not a glTF binary, or one that breaks the format.
    #[error("hand file: not valid glTF: {0}")]
    Gltf(#[from] gltf::Error),
    /// The file ends early, or an accessor reaches beyond its data.
    #[error("hand file: {what} needs {expected} bytes, got {got}")]
    Truncated {
        /// The part that is cut off.
        what: &'static str,
        /// Bytes it needs.
        expected: usize,
        /// Bytes there are.
        got: usize,
    },
    /// No node with a mesh.
    #[error("hand file: no node has a mesh, expected one skinned mesh")]
    NoMesh,
    /// A mesh, but no skin that moves it.
    #[error("hand file: no mesh node has a skin, expected one with a skin of the WebXR hand joints")]
    NoSkin,
    /// The mesh is in several pieces.
    #[error("hand file: the mesh has {got} primitives, expected 1")]
    Primitives {
        /// Number of primitives.
        got: usize,
    },
    /// Points, lines, strips or fans.
    #[error("hand file: the mesh is made of {got}, expected triangles")]
    NotTriangles {
        /// The primitive mode found.
        got: String,
    },
    /// The index list does not divide into triangles.
    #[error("hand file: {got} indices are no whole number of triangles")]
    PartialTriangle {
        /// Number of indices.
        got: usize,
    },
    /// A needed attribute is absent.
    #[error("hand file: the mesh lacks {name}")]
    MissingAttribute {
        /// glTF name of the attribute.
        name: &'static str,
    },
    /// An attribute of another type or length than needed.
    #[error("hand file: {what} is {got}, expected {expected}")]
    Accessor {
        /// The attribute.
        what: &'static str,
        /// What is needed.
        expected: String,
        /// What was found.
        got: String,
    },
    /// More than four joints per vertex.
    #[error("hand file: vertices have {got} influences (JOINTS_1), expected at most 4")]
    TooManyInfluences {
        /// Influences a vertex can have in the file.
        got: usize,
    },
    /// The skin lacks a joint.
    #[error("hand file: the skin lacks the joint \"{name}\" (names as in WebXR Hand Input)")]
    MissingJoint {
        /// WebXR name of the joint.
        name: &'static str,
    },
    /// A vertex is bound to a joint that is none of the hand's.
    #[error("hand file: vertex {vertex} is bound to joint {joint} of the skin, which is no WebXR hand joint")]
    UnknownJoint {
        /// The vertex.
        vertex: usize,
        /// Position in the skin's list.
        joint: usize,
    },
    /// Weights of a vertex do not sum to 1.
    #[error("hand file: weights of vertex {vertex} sum to {got}, expected 1")]
    Weights {
        /// The vertex.
        vertex: usize,
        /// Their sum.
        got: f32,
    },
    /// A number that is not finite, or a bind matrix without an inverse.
    #[error("hand file: {what} {index} is not finite or not invertible")]
    NotFinite {
        /// The attribute.
        what: &'static str,
        /// Its element.
        index: usize,
    },
    /// A finger whose last joint moves no vertex, so that it has no tip.
    #[error("hand file: no vertex follows the joint \"{joint}\", so the finger has no tip")]
    NoTip {
        /// The joint.
        joint: &'static str,
    },
    /// A face that names a vertex which does not exist.
    #[error("mesh: face {face} has vertex {got}, the mesh has {vertices}")]
    FaceIndex {
        /// The face.
        face: usize,
        /// The index found.
        got: u32,
        /// Number of vertices.
        vertices: usize,
    },
    /// A face that uses a vertex twice.
    #[error("mesh: face {face} uses vertex {vertex} twice")]
    FaceRepeats {
        /// The face.
        face: usize,
        /// The vertex.
        vertex: u32,
    },
    /// A graph operation on a matrix that is no graph.
    #[error("graph: expected a square symmetric matrix of finite weights ≥ 0, got {got}")]
    NotAGraph {
        /// What was found.
        got: String,
    },
    /// A camera that cannot project.
    #[error("camera: expected finite values and positive focal lengths and sizes, got {got}")]
    Camera {
        /// What was found.
        got: String,
    },
    /// Not an archive of arrays, or a damaged one.
    #[error("hand file: {message}")]
    Archive {
        /// What is wrong.
        message: String,
    },
    /// A needed array is absent.
    #[error("hand file: the array \"{name}\" is missing")]
    MissingArray {
        /// The array.
        name: &'static str,
    },
    /// An array of another shape or with other contents than needed.
    #[error("hand file: the array \"{name}\": expected {expected}, got {got}")]
    Array {
        /// The array.
        name: String,
        /// What is needed.
        expected: String,
        /// What was found.
        got: String,
    },
    /// A joint's position that is NaN or infinite.
    #[error("joint {joint} is at {got}, expected finite coordinates")]
    Joint {
        /// The joint, see [`super::joints::JOINT_NAMES`].
        joint: usize,
        /// Where it is said to be.
        got: glam::Vec3,
    },
    /// A shape that no hand can have.
    #[error("shape: expected positive finite factors, got {got:?}")]
    Shape {
        /// What was found.
        got: super::Shape,
    },
}

impl From<HandError> for crate::error::Error {
    fn from(error: HandError) -> Self {
        crate::error::Error::Hand(error.to_string())
    }
}
