"""What the book needs of the lab: what chapters print, what they depend on, and the files of a question.

`verdicts` decides the claims of a chapter and prints them; `ledger` shows those of all chapters, in one table, at a glance on the home
page, and line by line of the notes; `colophon` tells how a result came about; `markdown_tables` writes their tables.  `chapter_keys` says what a
chapter's outputs depend on, and `prerender`, which Quarto runs first, uses it to bring results up to date and to drop old outputs.
`questions` writes, renames and removes a question's files, from `templates`, and `notebooks` makes its notebook and figures;
`serve` shows the site.

Chapters import `lab.chapter`, not this.  Nothing here renders: that is for Quarto or press.
"""
