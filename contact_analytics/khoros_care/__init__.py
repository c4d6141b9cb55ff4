"""Khoros Care, before Lithium Social Web: the Analytics Reports API.

APIs: Analytics Reports (thirteen Care exports, Publishing exports, the list of teams).
Credentials: HTTP Basic of a dedicated user of type Analytics, for which Khoros' support enables the API, and the
company's key.
Retention: none is published, neither of the data nor of a finished export.
Quirks: an export is submitted, polled until it is CLOSED, and only then COMPLETED or not; `result` is an object, a list
of one, or a text; run ids hold `/`, which must stay `%2F`; downloads are redirected to storage, which takes no
credentials; twenty requests a minute for a company; columns are chosen by the company.
"""
