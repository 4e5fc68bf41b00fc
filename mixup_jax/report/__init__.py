"""Tables, figures and the HTML page: reads run folders, trains nothing.

`runs` loads folders, `conditions` groups them into table rows, `statistics` summarises seeds; `tables` holds the
paper's tables with our numbers, `cells` says them in words; `figures` and `illustrations` draw, `drawing` saves, `page`
writes the report and `terminal` prints it.
"""
