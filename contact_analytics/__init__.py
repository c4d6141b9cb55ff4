"""Contact-centre data as daily tables: Dagster assets over LivePerson's APIs, kept before the vendor deletes it."""
