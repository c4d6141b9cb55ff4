"""LivePerson Conversational Cloud.

APIs: Data Access (hourly files of agent activity, engagements, surveys and web sessions), Messaging Interactions
(conversations, searched page by page), Users, Skills and Agent Groups (account configuration, one list each).
Credentials: an API key (OAuth 1.0a, four values) or an OAuth 2.0 client, enabled for each account
and API.
Retention: Data Access deletes a file 30 days after it was made, and a session's file appears up to 6 hours after it
closed; conversations are kept for 13 months and show up within a minute.
Quirks: Avro's JSON encoding, links on a sibling host and an empty window answered with an error status (Data Access);
windows rounded to ten minutes with both ends, partial answers that say so in a flag, cut records, conversations that
change for days (Messaging Interactions); `If-Match` that means the opposite, tiny default answers, password hashes in
old ones (account configuration).
"""
