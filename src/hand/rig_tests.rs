use super::*;

/// A glb with its JSON edited and its binary chunk cut to `keep` bytes.
fn edited(edit: impl Fn(&mut serde_json::Value), keep: Option<usize>) -> Vec<u8> {
    let json_length = u32::from_le_bytes(RIGHT_HAND[12..16].try_into().unwrap()) as usize;
    let mut json: serde_json::Value = serde_json::from_slice(&RIGHT_HAND[20..20 + json_length]).unwrap();
    edit(&mut json);
    let mut json = serde_json::to_vec(&json).unwrap();
    json.resize(json.len().next_multiple_of(4), b' ');
    let binary = &RIGHT_HAND[28 + json_length..];
    let binary = &binary[..keep.unwrap_or(binary.len())];
    let mut file = b"glTF\x02\0\0\0".to_vec();
    file.extend((28 + json.len() as u32 + binary.len() as u32).to_le_bytes());
    for (kind, chunk) in [(b"JSON", json.as_slice()), (b"BIN\0", binary)] {
        file.extend((chunk.len() as u32).to_le_bytes());
        file.extend(kind);
        file.extend(chunk);
    }
    file
}

fn error(edit: impl Fn(&mut serde_json::Value)) -> HandError {
    RiggedHand::from_glb(&edited(edit, None)).expect_err("the edit must be refused")
}

fn primitive(json: &mut serde_json::Value) -> &mut serde_json::Value {
    &mut json["meshes"][0]["primitives"][0]
}

#[test]
fn shipped_hand_has_the_known_numbers() {
    let hand = RiggedHand::right();
    assert_eq!((hand.rest_vertices().len(), hand.faces().len()), (1159, 2314));
    for weights in hand.influences() {
        assert!((weights.iter().map(|i| i.1).sum::<f32>() - 1.0).abs() < 1e-5);
    }
    // Outward faces: the divergence theorem gives the enclosed volume, of which a hand has some 300 cm³.
    let corner = |v: u32| hand.rest_vertices()[v as usize];
    let volume: f32 = hand.faces().iter().map(|f| corner(f[0]).dot(corner(f[1]).cross(corner(f[2]))) / 6.0).sum();
    assert!((200e3..500e3).contains(&volume), "{volume} mm³");
}

#[test]
fn rest_frame_is_as_documented() {
    let hand = RiggedHand::right();
    let frames = hand.rest_frames();
    let joint = |name: &str| frames[RIG_JOINT_NAMES.iter().position(|n| *n == name).unwrap()];
    assert_eq!(frames[0].origin, Vec3::ZERO);
    assert!(joint("middle-finger-tip").origin.y < -150.0, "fingers up");
    assert!(joint("thumb-tip").origin.x > 40.0 && joint("pinky-finger-tip").origin.x < -40.0, "thumb to the right");
    assert!(joint("thumb-tip").origin.z < -20.0, "the thumb lies on the palm's side, towards the camera");
    for frame in frames {
        assert!((frame.axes * Vec3::Z).dot(-Vec3::Z) > 0.2, "z points out of the palm");
    }
    let tip = hand.rest_vertices()[hand.tip_vertices()[2] as usize];
    let beyond = tip.distance(joint("middle-finger-tip").origin);
    assert!((8.0..15.0).contains(&beyond), "skin {beyond} mm beyond the rig's tip");
    assert!(hand.rest_vertices().iter().all(|v| v.y >= tip.y - 0.5), "the middle finger reaches farthest up");
}

#[test]
fn edits_that_change_nothing_are_read() {
    let hand = RiggedHand::from_glb(&edited(|_| (), None)).unwrap();
    assert_eq!(hand.rest_vertices(), RiggedHand::right().rest_vertices());
}

#[test]
fn files_that_are_no_hand_are_refused() {
    let no_mesh = error(|json| {
        let nodes = json["nodes"].as_array_mut().unwrap();
        for node in nodes {
            node.as_object_mut().unwrap().retain(|key, _| key != "mesh" && key != "skin");
        }
    });
    assert!(matches!(no_mesh, HandError::NoMesh), "{no_mesh}");
    let no_skin = error(|json| {
        json["nodes"][25].as_object_mut().unwrap().remove("skin");
    });
    assert!(matches!(no_skin, HandError::NoSkin), "{no_skin}");
    let five = error(|json| {
        let attributes = &mut primitive(json)["attributes"];
        attributes["JOINTS_1"] = attributes["JOINTS_0"].clone();
        attributes["WEIGHTS_1"] = attributes["WEIGHTS_0"].clone();
    });
    assert!(matches!(five, HandError::TooManyInfluences { got: 8 }), "{five}");
    let renamed = error(|json| json["nodes"][7]["name"] = "seventh".into());
    assert!(matches!(renamed, HandError::MissingJoint { name: "index-finger-phalanx-intermediate" }), "{renamed}");
    let lines = error(|json| primitive(json)["mode"] = 1.into());
    assert!(lines.to_string().contains("Lines, expected triangles"), "{lines}");
    let two = error(|json| {
        let copy = primitive(json).clone();
        json["meshes"][0]["primitives"].as_array_mut().unwrap().push(copy);
    });
    assert!(matches!(two, HandError::Primitives { got: 2 }), "{two}");
    let no_weights = error(|json| {
        primitive(json)["attributes"].as_object_mut().unwrap().remove("WEIGHTS_0");
    });
    assert!(matches!(no_weights, HandError::MissingAttribute { name: "WEIGHTS_0" }), "{no_weights}");
    let partial = error(|json| json["accessors"][5]["count"] = 6941.into());
    assert!(matches!(partial, HandError::PartialTriangle { got: 6941 }), "{partial}");
    let short = error(|json| json["accessors"][4]["count"] = 1359.into());
    assert!(matches!(short, HandError::Accessor { what: "WEIGHTS_0", .. }), "{short}");
    let wrong_type = error(|json| json["accessors"][0]["type"] = "VEC2".into());
    assert!(matches!(wrong_type, HandError::Accessor { what: "POSITION", .. }), "{wrong_type}");
    let swapped = error(|json| {
        // Normals read as weights: negative, and no sum of 1.
        json["accessors"][4]["bufferView"] = 1.into();
        json["accessors"][4]["count"] = 1020.into();
        for accessor in [0, 3] {
            json["accessors"][accessor]["count"] = 1020.into();
        }
    });
    assert!(matches!(swapped, HandError::FaceIndex { .. } | HandError::Weights { .. }), "{swapped}");
}

#[test]
fn truncated_files_are_refused_wherever_they_end() {
    for length in [0, 3, 11, 12, 19, 21, 5000, 7800, RIGHT_HAND.len() - 1] {
        let error = RiggedHand::from_glb(&RIGHT_HAND[..length]).expect_err("cut short");
        assert!(matches!(error, HandError::Truncated { .. }), "at {length}: {error}");
    }
    let cut = RiggedHand::from_glb(&edited(|_| (), Some(1000))).expect_err("binary chunk cut short");
    assert!(matches!(cut, HandError::Truncated { what: "POSITION", expected: 16320, got: 1000 }), "{cut}");
    let mut header = RIGHT_HAND.to_vec();
    header[8..12].copy_from_slice(&4u32.to_le_bytes());
    assert!(
        matches!(RiggedHand::from_glb(&header), Err(HandError::Truncated { .. })),
        "a length below the header's own"
    );
    assert!(matches!(RiggedHand::from_glb(b"no glTF at all, but long enough"), Err(HandError::Gltf(_))));
}
