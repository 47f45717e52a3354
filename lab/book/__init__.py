"""What the book needs of the lab: what chapters print, what they depend on, and the files of a question.

`verdicts` decides the claims and prints them, in a chapter and in the ledger; `home` and `notes` show them all, at a glance and line
by line of the notes; `colophon` tells how a result came about; `markdown_tables` writes their tables.  `chapter_keys` says what a
chapter's outputs depend on, and `prerender`, which Quarto runs first, uses it to bring results up to date and to drop old outputs.
`questions` writes, renames and removes a question's files, from `templates`, and `notebooks` makes its notebook and figures;
`serve` shows the site.

Chapters import `lab.chapter`, not this.  Nothing here renders: that is for Quarto or press.
"""
