"""NICE CXone, before inContact: the Data Extraction API.

APIs: Data Extraction (quality workflows, quality questions and answers, metadata of recorded interactions).
Credentials: an access key of a user who may extract the entity, or an OAuth client beside it.
Retention: an extracted file is kept for 24 hours, its link for 30 seconds; how far back data goes is not published.
Quirks: one export in 30 seconds and one at a time for a whole tenant, and 403 to who is too quick; two weeks an export;
dates whose end may be included; statuses in several spellings; CSV whose header varies; evaluations that change after
they were submitted, and that are listed before. There is a synchronous call, `/jobs/sync`, which the vendor deprecates:
it is not used.
"""
