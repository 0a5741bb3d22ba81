//! `hugetlb`: huge pages, by size.

use spec::{ConfigPath, HugepageLimit};

use crate::SettingError;
use crate::error::wrong;
use crate::setting::{Dialect, Draft};

/// Reservations are limited where the kernel can (5.7), since a page that was reserved cannot be refused without
/// SIGBUS; the limit of usage is set as well, because mappings with `MAP_NORESERVE` reserve nothing.
pub(crate) fn compile(
    draft: &mut Draft<'_>,
    limits: &[HugepageLimit<'_>],
    at: &ConfigPath,
) -> Result<(), SettingError> {
    for (index, limit) in limits.iter().enumerate() {
        let at = at.clone().index(index);
        let size = limit.page_size.as_str();
        if !is_size(size) {
            return wrong(
                &at.then("pageSize"),
                format!("{size:?} is not a size such as 2MB"),
            );
        }
        let (reserved, used) = match draft.dialect("hugetlb", &at)? {
            Dialect::V1 => ("rsvd.limit_in_bytes", "limit_in_bytes"),
            Dialect::V2 => ("rsvd.max", "max"),
        };
        let at = at.then("limit");
        draft.write(
            &at,
            "hugetlb",
            format!("hugetlb.{size}.{used}"),
            limit.limit,
        );
        draft
            .write(
                &at,
                "hugetlb",
                format!("hugetlb.{size}.{reserved}"),
                limit.limit,
            )
            .fine_without();
    }
    Ok(())
}

fn is_size(size: &str) -> bool {
    let Some(number) = size
        .strip_suffix("KB")
        .or_else(|| size.strip_suffix("MB"))
        .or_else(|| size.strip_suffix("GB"))
    else {
        return false;
    };
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0')
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_the_kernels() {
        for (size, good) in [
            ("2MB", true),
            ("1GB", true),
            ("64KB", true),
            ("2M", false),
            ("MB", false),
            ("02MB", false),
            ("../2MB", false),
        ] {
            assert_eq!(super::is_size(size), good, "{size}");
        }
    }
}
