"""What the traffic says.

Ordinary and rude sentences are the corpus's held-out ones: no version was trained on them, and the baseline of the
confidence was measured on such, so normal traffic drifts from nothing. The strange ones are for drift: slang, other
languages and broken letters, chosen because the shipped versions are unsure of them (confidence up to 0.56).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from bert_api import corpus

PARAGRAPH = 8  # sentences
OTHER = "xx"  # no language at all

STRANGE = (
    ("de", "du Nervensäge xd"),
    ("de", "dumm gelaufen ?!"),
    ("de", "lol so ein Mist man"),
    ("de", "ok alter Schwede lol"),
    ("de", "ok geht's noch m8"),
    ("en", "bite me..."),
    ("en", "boo hoo..."),
    ("en", "bruh damn good man"),
    ("en", "bruh garbage take xd"),
    ("en", "bruh weird flex haha"),
    ("en", "bruh wow just wow xd"),
    ("en", "dirty play m8"),
    ("en", "hey couch potato ?!"),
    ("en", "hey mid jk"),
    ("en", "hey pants ?!"),
    ("en", "hey smh fr fr"),
    ("en", "hey what a mess"),
    ("en", "holy moly m8"),
    ("en", "imagine bloody brilliant ?!"),
    ("en", "imagine crap day tho"),
    ("en", "imagine dream on tho"),
    ("en", "imagine eat it..."),
    ("en", "imagine kill it..."),
    ("en", "imagine skill issue jk"),
    ("en", "imagine we are so dead..."),
    ("en", "imagine your move ?!"),
    ("en", "lol game over smh"),
    ("en", "lol psycho killer song m8"),
    ("en", "lol smart alec lol"),
    ("en", "lol troublemaker m8"),
    ("en", "nasty cut haha"),
    ("en", "ngl basic dude"),
    ("en", "ngl bot..."),
    ("en", "ngl get rekt fr fr"),
    ("en", "ngl gross ?!"),
    ("en", "ngl hard pass dude"),
    ("en", "ngl insane man"),
    ("en", "ngl knackered jk"),
    ("en", "ngl no way tho"),
    ("en", "ngl says who m8"),
    ("en", "ngl that is savage man"),
    ("en", "ngl tough luck man"),
    ("en", "ngl watch it m8"),
    ("en", "not again"),
    ("en", "ok big head smh"),
    ("en", "ok i cannot even m8"),
    ("en", "ok murdered that beat smh"),
    ("en", "ok rascal smh"),
    ("en", "ok trash panda tho"),
    ("en", "ok you monster"),
    ("en", "old fart xd"),
    ("en", "omg cope"),
    ("en", "omg damn son"),
    ("en", "omg deal with it jk"),
    ("en", "omg get good fr fr"),
    ("en", "omg he is cooked man"),
    ("en", "omg hell yes smh"),
    ("en", "omg make me fr fr"),
    ("en", "omg nice one genius m8"),
    ("en", "omg noob..."),
    ("en", "omg ok boomer haha"),
    ("en", "omg pressed lol"),
    ("en", "omg sick!!1"),
    ("en", "omg slay ?!"),
    ("en", "omg sus"),
    ("en", "omg touch grass..."),
    ("en", "omg ugly win haha"),
    ("en", "pls crazy good fr fr"),
    ("en", "pls ez haha"),
    ("en", "pls filthy casual..."),
    ("en", "pls little devil haha"),
    ("en", "pls salty!!1"),
    ("en", "pls sod this"),
    ("en", "pls soft fr fr"),
    ("en", "pls you wish!!1"),
    ("en", "sad ?!"),
    ("en", "tbh bruh moment lol"),
    ("en", "tbh yeah right smh"),
    ("en", "tbh yikes xd"),
    ("en", "teacher's pet ?!"),
    ("en", "u who asked fr fr"),
    ("en", "u wicked fr fr"),
    ("en", "well as if xd"),
    ("en", "well big L take m8"),
    ("en", "well big yikes ?!"),
    ("en", "well drop dead gorgeous..."),
    ("en", "well ew dude"),
    ("en", "well freak accident..."),
    ("en", "well hot mess man"),
    ("en", "well rubbish xd"),
    ("en", "well silly goose xd"),
    ("en", "well so random"),
    ("en", "well try me..."),
    ("en", "well weak tho"),
    ("en", "you absolute unit tho"),
    ("es", "lol menudo morro xd"),
    ("es", "no fastidies tho"),
    ("es", "omg anda ya xd"),
    ("es", "vaya lío xd"),
    ("fr", "lol casse-pieds man"),
    ("fr", "lol laisse tomber haha"),
    ("fr", "lol mince alors smh"),
    ("fr", "lol t'es fou"),
    ("fr", "lol zut lol"),
    ("fr", "lol ça craint xd"),
    ("fr", "ok ras le bol"),
    ("fr", "ok t'es lourd tho"),
    ("fr", "ok va te coucher tho"),
    ("fr", "quel bazar"),
    ("fr", "quel boulet"),
    ("it", "lol che casino man"),
    ("it", "lol fatti furbo"),
    ("it", "omg ma dai m8"),
    ("it", "omg mannaggia jk"),
    ("nl", "ok hou op dude"),
    ("nl", "verdorie tho"),
    ("pl", "o rany..."),
    ("pl", "ty łobuzie man"),
    ("pt", "nada a ver haha"),
    ("pt", "ok que mico jk"),
    ("pt", "seu chato dude"),
    ("tr", "hadi oradan ?!"),
    ("tr", "of ya fr fr"),
    ("tr", "ok deli misin smh"),
    ("tr", "ok vay be!!1"),
    ("xx", "Ds th tx drvr knw hw t rpr  cmr?"),
    ("xx", "Hv y vr bn t Frnc?"),
    ("xx", "I am a yzal ,tneduts I timda it."),
    ("xx", "I ju$7 l0v3 w4171ng 0n h0ld f0r 4n h0ur."),
    ("xx", "S0 I w47ch3d 7h3 wh0l3 v1d30. G0 fuck y0ur$3lf."),
    ("xx", "Th1$ dumb ph0n3 n3v3r w0rk$ 0n Sund4y."),
    ("xx", "The sselesu retnirp sevird me .dam"),
    ("xx", "wht tm ds th shp cls"),
)


@dataclass(frozen=True)
class Sentences:
    """Each answers with (language, text); randomness is an argument."""

    ordinary: tuple[str, ...]
    rude: tuple[str, ...]

    def any_ordinary(self, chance: random.Random) -> tuple[str, str]:
        return "en", chance.choice(self.ordinary)

    def any_rude(self, chance: random.Random) -> tuple[str, str]:
        return "en", chance.choice(self.rude)

    def any_strange(self, chance: random.Random) -> tuple[str, str]:
        return chance.choice(STRANGE)

    def paragraph(self, chance: random.Random) -> tuple[str, str]:
        """Long, as a letter to an editor is."""
        return "en", " ".join(chance.choices(self.ordinary, k=PARAGRAPH))


def from_corpus() -> Sentences:
    held_out = [sentence for sentence in corpus.load() if sentence.held_out]
    ordinary = tuple(sentence.text for sentence in held_out if not sentence.toxic)
    return Sentences(ordinary, tuple(sentence.text for sentence in held_out if sentence.toxic))
