"""`make release`: from a checkout with news in `changelog.d` to a tag and signed files in `dist`.

Everything that can be refused is refused before anything is written. The tag comes last: what is tagged was
built, summed and signed. A run that ended early is repeated; it goes on from the release's commit.
"""
