"""What can go wrong with an export: how it ends, where its file is, and what the file is like."""

# How an export ends instead of well; `value` is the vendor's word about it.
ENDS = frozenset({"failed", "timed_out", "cancelled", "terminated", "expired", "hangs", "lost"})
# What is wrong with the answer that tells how an export is; `no_link` is an export that is done without one.
STATUSES = frozenset({"no_link", "unknown_status", "no_result", "premature_link", "bare_ids", "foreign_link"})
# What is wrong with the file, or with the link to it.
FILES = frozenset(
    {
        "dead_link",
        "dead_link_200",
        "web_page",
        "cut_file",
        "dropped_file",
        "cut_text",
        "new_column",
        "missing_column",
        "reordered",
        "no_rows",
        "no_bytes",
        "no_content",
        "ragged",
        "not_utf8",
    }
)
KINDS = ENDS | STATUSES | FILES
