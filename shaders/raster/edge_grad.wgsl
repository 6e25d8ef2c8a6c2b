// Kato et al., "Neural 3D Mesh Renderer", 2018, section 3: what a silhouette would gain if an edge of a face moved across a
// pixel, divided by how far a corner would have to move for that. A thread takes one edge of a face, along rows or along
// columns, in a band of lines.
//
// On each line that the edge crosses, pixels outward from it would be covered if the edge moved out to them; those of
// the face itself inward would be as the pixel outside if it moved in. Only changes that lessen the loss count.
struct Params {
    total: u32, // edges and directions, six a face, of all images
    faces: u32,
    width: u32,
    height: u32,
    lines: u32, // of a band
    bands: u32,
    least: f32, // pixels that every distance is enlarged by
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> setup: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> corners: array<f32>;
@group(0) @binding(3) var<storage, read> visible: array<u32>;
@group(0) @binding(4) var<storage, read> gy: array<f32>;
@group(0) @binding(5) var<storage, read_write> gx: array<vec2<f32>>; // bands × edges and directions: of the edge's two ends

fn alpha(pixel: u32) -> f32 {
    return select(0.0, 1.0, visible[pixel] < params.faces);
}

// Where the line through two points is, across, when it is at `d` along; the points differ along.
fn cross_at(p: vec2<f32>, q: vec2<f32>, d: f32) -> f32 {
    return (q.y - p.y) / (q.x - p.x) * (d - p.x) + p.y;
}

// A distance made longer by the least one, whichever its sign.
fn enlarged(distance: f32) -> f32 {
    return distance + select(-params.least, params.least, distance > 0.0);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i / params.total >= params.bands {
        return;
    }
    let face = i % params.total / 6u;
    let edge = i % 6u / 2u;
    let along_rows = i % 2u == 1u;
    let head = setup[3u * face];
    var sum = vec2(0.0);
    if head.x >= 3u && head.x < CROSSES {
        let shape = corners_of(face);
        let w = divisors(shape.z);
        // Pixel centres at whole numbers; x tells lines apart, y runs along them.
        let u = shape.x / w - 0.5;
        let v = shape.y / w - 0.5;
        let ends = vec3(edge, edge + 1u, edge + 2u) % vec3(3u);
        var p = vec2(u[ends.x], v[ends.x]);
        var q = vec2(u[ends.y], v[ends.y]);
        var r = vec2(u[ends.z], v[ends.z]);
        var last = vec2(i32(params.width), i32(params.height)) - 1;
        var strides = vec2(1u, params.width);
        if along_rows {
            p = p.yx;
            q = q.yx;
            r = r.yx;
            last = last.yx;
            strides = strides.yx;
        }
        let own = face % params.faces;
        let base = face / params.faces * params.width * params.height;
        let band = i32(i / params.total * params.lines);
        let first_line = max(i32(ceil(max(min(p.x, q.x), -1.0))), band);
        let last_line = min(i32(floor(min(max(p.x, q.x), f32(last.x) + 1.0))), min(band + i32(params.lines) - 1, last.x));
        // The face lies on the other side of the edge than outward.
        let outward = select(1, -1, r.y > cross_at(p, q, r.x));
        for (var line = first_line; line <= last_line && p.x != q.x; line++) {
            let d = f32(line);
            let crossing = cross_at(p, q, d);
            let in_pixel = i32(select(ceil(crossing), floor(crossing), outward > 0));
            let out_pixel = in_pixel + outward;
            if min(in_pixel, out_pixel) < 0 || max(in_pixel, out_pixel) > last.y {
                continue;
            }
            let row = base + u32(line) * strides.x;
            let alpha_in = alpha(row + u32(in_pixel) * strides.y);
            let alpha_out = alpha(row + u32(out_pixel) * strides.y);
            // What a pixel's distance from the crossing is multiplied by: how far each end moves for it.
            let leverage = vec2((q.x - p.x) / (q.x - d), (q.x - p.x) / (d - p.x));
            if visible[row + u32(in_pixel) * strides.y] == own {
                for (var k = out_pixel; k >= 0 && k <= last.y; k += outward) {
                    sum -= pull(row + u32(k) * strides.y, alpha_in, f32(k) - crossing, leverage, vec2(q.x != d, p.x != d));
                }
            }
            // Inward as far as the face's other outline.
            var other = 0.0;
            if (d - p.x) * (d - r.x) < 0.0 {
                other = cross_at(p, r, d);
            } else if r.x != q.x {
                other = cross_at(r, q, d);
            } else {
                other = q.y;
            }
            let limit = i32(clamp(select(floor(other), ceil(other), outward > 0), -1.0, f32(last.y) + 1.0));
            let first = max(min(in_pixel, limit), 0);
            let end = min(max(in_pixel, limit), last.y);
            for (var k = first; k <= end; k++) {
                let pixel = row + u32(k) * strides.y;
                if visible[pixel] == own {
                    sum -= pull(pixel, alpha_out, f32(k) - crossing, leverage, vec2(q.x != d, p.x != d));
                }
            }
        }
    }
    gx[i] = sum;
}

// What the edge's ends gain by making a pixel as another is.
fn pull(pixel: u32, alpha_there: f32, distance: f32, leverage: vec2<f32>, moves: vec2<bool>) -> vec2<f32> {
    let gain = (alpha(pixel) - alpha_there) * gy[pixel];
    if !(gain > 0.0) {
        return vec2(0.0);
    }
    var force = vec2(0.0);
    if moves.x {
        force.x = gain / enlarged(distance * leverage.x);
    }
    if moves.y {
        force.y = gain / enlarged(distance * leverage.y);
    }
    return force;
}
