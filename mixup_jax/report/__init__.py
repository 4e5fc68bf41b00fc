"""Tables, figures and the HTML page: reads run folders, trains nothing.

`runs` loads folders, `conditions` groups them into table rows, `statistics` summarises seeds, `figures` and
`illustrations` draw, `drawing` saves, `page` writes the report and `terminal` prints it.
"""
