//! `process.rlimits`, `process.oomScoreAdj`.

use init::step::{Limit, OomScore, limit_names};
use spec::Process;

use super::{Draft, PlanError, field};

pub(super) fn oom_score(
    draft: &mut Draft<'_>,
    process: &Process<'_>,
    lenient: bool,
) -> Result<(), PlanError> {
    let Some(value) = process.oom_score_adj else {
        return Ok(());
    };
    let at = field("oomScoreAdj");
    if !(-1000..=1000).contains(&value) {
        return Err(PlanError::invalid(
            at,
            format!("{value} is not within -1000 and 1000"),
        ));
    }
    draft.child(
        &at,
        OomScore {
            value: value as i32,
            lenient,
        },
    );
    Ok(())
}

pub(super) fn limit(draft: &mut Draft<'_>, process: &Process<'_>) {
    for index in 0..process.rlimits.len() {
        draft.part(|draft| limit_one(draft, process, index));
    }
}

fn limit_one(draft: &mut Draft<'_>, process: &Process<'_>, index: usize) -> Result<(), PlanError> {
    let (at, limit) = (field("rlimits").index(index), &process.rlimits[index]);
    let Some(resource) = limit_names().iter().position(|name| limit.kind == *name) else {
        return Err(PlanError::invalid(
            at.then("type"),
            format!("unknown resource limit {:?}", limit.kind),
        ));
    };
    if let Some(first) = process.rlimits[..index]
        .iter()
        .position(|other| other.kind == limit.kind)
    {
        let why = format!("duplicated resource limit {:?}", limit.kind);
        return Err(PlanError::conflicts(
            at.then("type"),
            field("rlimits").index(first),
            why,
        ));
    }
    if limit.soft > limit.hard {
        return Err(PlanError::conflicts(
            at.clone().then("soft"),
            at.then("hard"),
            "soft limit above the hard limit",
        ));
    }
    draft.child(
        &at,
        Limit {
            resource: resource as u32,
            soft: limit.soft,
            hard: limit.hard,
        },
    );
    Ok(())
}
