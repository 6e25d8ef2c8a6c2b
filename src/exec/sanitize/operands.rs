//! The operands of naga's expressions, for copying them.

use naga::{Expression, Handle, SampleLevel};

/// Whether a statement makes the expression's value instead of an `Emit`, or it is there from the start.
pub(super) fn stands_alone(expression: &Expression) -> bool {
    use Expression as E;
    expression.needs_pre_emit()
        || matches!(
            expression,
            E::CallResult(_)
                | E::AtomicResult { .. }
                | E::WorkGroupUniformLoadResult { .. }
                | E::SubgroupBallotResult
                | E::SubgroupOperationResult { .. }
        )
}

/// Calls `visit` for every operand; `false` if the sanitizer does not know such expressions.
pub(super) fn visit(expression: &mut Expression, visit: &mut impl FnMut(&mut Handle<Expression>)) -> bool {
    use Expression as E;
    let maybe = |operand: &mut Option<Handle<Expression>>, visit: &mut dyn FnMut(&mut Handle<Expression>)| {
        if let Some(operand) = operand {
            visit(operand);
        }
    };
    match expression {
        E::Literal(_)
        | E::Constant(_)
        | E::Override(_)
        | E::ZeroValue(_)
        | E::FunctionArgument(_)
        | E::GlobalVariable(_)
        | E::LocalVariable(_)
        | E::CallResult(_)
        | E::AtomicResult { .. }
        | E::WorkGroupUniformLoadResult { .. }
        | E::SubgroupBallotResult
        | E::SubgroupOperationResult { .. } => {}
        E::Compose { components, .. } => components.iter_mut().for_each(visit),
        E::Access { base, index } => {
            visit(base);
            visit(index);
        }
        E::AccessIndex { base, .. } => visit(base),
        E::Splat { value, .. } => visit(value),
        E::Swizzle { vector, .. } => visit(vector),
        E::Load { pointer } => visit(pointer),
        E::ImageSample { image, sampler, coordinate, array_index, offset, level, depth_ref, .. } => {
            visit(image);
            visit(sampler);
            visit(coordinate);
            maybe(array_index, visit);
            maybe(offset, visit);
            match level {
                SampleLevel::Auto | SampleLevel::Zero => {}
                SampleLevel::Exact(level) | SampleLevel::Bias(level) => visit(level),
                SampleLevel::Gradient { x, y } => {
                    visit(x);
                    visit(y);
                }
            }
            maybe(depth_ref, visit);
        }
        E::ImageLoad { image, coordinate, array_index, sample, level } => {
            visit(image);
            visit(coordinate);
            maybe(array_index, visit);
            maybe(sample, visit);
            maybe(level, visit);
        }
        E::ImageQuery { image, query } => {
            visit(image);
            if let naga::ImageQuery::Size { level } = query {
                maybe(level, visit);
            }
        }
        E::Unary { expr, .. } | E::Derivative { expr, .. } | E::As { expr, .. } => visit(expr),
        E::Relational { argument, .. } => visit(argument),
        E::Binary { left, right, .. } => {
            visit(left);
            visit(right);
        }
        E::Select { condition, accept, reject } => {
            visit(condition);
            visit(accept);
            visit(reject);
        }
        E::Math { arg, arg1, arg2, arg3, .. } => {
            visit(arg);
            maybe(arg1, visit);
            maybe(arg2, visit);
            maybe(arg3, visit);
        }
        E::ArrayLength(array) => visit(array),
        E::RayQueryVertexPositions { .. }
        | E::RayQueryProceedResult
        | E::RayQueryGetIntersection { .. }
        | E::CooperativeLoad { .. }
        | E::CooperativeMultiplyAdd { .. } => return false,
    }
    true
}
