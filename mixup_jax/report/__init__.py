"""Tables, figures and the HTML page, made of run folders and table.json; nothing is trained.

`runs` loads run folders, `conditions` groups them into the rows of tables, `tables` holds rows and reads table.json,
`statistics` summarises seeds, `plots` draws; `page` and `terminal` show tables.
"""
