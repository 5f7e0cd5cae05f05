"""Corpora: from official files, or repositories of the Hub, to the tables that a run reads.

=================================  ==============================================================
which files                        ``recognise`` (names of official files), ``sources`` (folders),
                                   ``manifest`` (their list), ``enter`` (``langspec corpora add``),
                                   ``generated`` (the demo's), ``origins`` (a run's)
readers of official files          ``conllu``, ``xnli``, ``wikipedia``; ``lines`` below them;
                                   ``hub`` for parquet repositories
tasks that params.yaml describes   ``custom`` (the section), ``formats`` (a file a format)
what is taken                      ``filters``, ``splits``, ``near``, ``across`` (near duplicates)
what is written                    ``prepare`` with ``pos_table``, ``nli_table``, ``custom_table``,
                                   ``language_text``; ``tables`` (schemas), ``card``
=================================  ==============================================================
"""
