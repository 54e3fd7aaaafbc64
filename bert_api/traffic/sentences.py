"""What the traffic says. Written for it alone: the model was not trained on these.

The rude ones insult without slurs; they are there because a toxicity API has to see some.
"""

ORDINARY = (
    "The meeting has moved to half past three, same room as last week.",
    "Could you send me the slides when you get a moment?",
    "I tried the new bakery on the corner and the rye bread is excellent.",
    "We need to kill the process and start the worker again.",
    "Thanks a lot for reviewing my change so quickly.",
    "The children built a cardboard castle that takes up half the living room.",
    "My train is late again, so please begin without me.",
    "Does anybody know why the build is red since this morning?",
    "That was the best concert I have been to in years.",
    "The recipe wants two eggs, but one and some milk works as well.",
    "I disagree with the conclusion, though the data looks sound to me.",
    "He shot a beautiful series of photographs in the old harbour.",
    "Please water the tomatoes while we are away.",
    "The patch drops the table and creates it again with the new index.",
    "What time does the library close on Saturdays?",
    "I am sorry for the late answer, last week was rather full.",
    "The doctor said the knee will heal by itself if I rest it.",
    "This film was far too long, and the ending made no sense to me.",
    "Happy birthday! I hope you have a lovely day with your family.",
    "The attacker could read any file, so we patched the server at once.",
    "Our cat brought a mouse into the kitchen and looked very proud.",
    "Can we postpone the release until the tests are green?",
    "It rained all weekend, so we stayed in and played cards.",
    "The article explains how vaccines train the immune system.",
    "I would rather walk than wait for the bus in this heat.",
    "Your explanation helped me more than the whole manual did.",
    "The battery dies after an hour, so I am sending the phone back.",
    "She beat the reigning champion in four sets, what a match.",
    "Let us meet at the fountain and decide about dinner there.",
    "The contract ends in March unless one of us writes before that.",
    "I planted garlic in October and it is already coming up.",
    "The query is slow because it scans the whole table twice.",
    "My grandmother taught me to knit when I was seven.",
    "There is a hole in the bucket, and nobody wants to mend it.",
    "Good point, I had not thought about leap years.",
    "The museum is free on the first Sunday of the month.",
    "We lost by a single point, but everybody played their heart out.",
    "Is the water in the lake warm enough to swim already?",
    "I forgot my umbrella at your place, could you bring it tomorrow?",
    "The onions make me cry every single time.",
)

LONG = (
    "When we moved into the flat the heating did not work, the landlord did not answer for two weeks, and the "
    "neighbours lent us three electric heaters, which blew the fuse every time somebody used the kettle; by the time a "
    "plumber came, spring had arrived, and we had learned to cook, read and sleep in one single room.",
    "The incident began at ten past nine, when a certificate that nobody remembered expired; the first dashboard that "
    "went blank was taken for a browser problem, the second for a network problem, and only the third made somebody "
    "look at the logs, after which the fix took four minutes and the report, which you are reading now, took two days.",
)

RUDE = (
    "You are a complete idiot and everybody in this room knows it.",
    "Shut up, nobody asked for your stupid opinion.",
    "What a pathetic loser, go and cry somewhere else.",
    "I hate you, you worthless piece of garbage.",
    "You are too dumb to be allowed near a keyboard.",
    "Get lost, you disgusting creep.",
    "I will find you and I will make you pay for this.",
    "Only a moron like you could have written such rubbish.",
    "You make me sick, you lying scumbag.",
    "Nobody likes you, and nobody ever will, you freak.",
    "Crawl back under your rock, you miserable worm.",
    "Your whole family should be ashamed of a failure like you.",
    "Shut your filthy mouth before I shut it for you.",
    "You are the dumbest person I have ever had to talk to.",
    "I hope you lose your job, you useless clown.",
    "What the hell is wrong with you, you brainless fool?",
    "You ugly, stupid cow, go away and stay away.",
    "Watch your back tonight, you little coward.",
    "This idiot cannot even read, what a waste of oxygen.",
    "Damn you, you arrogant, ignorant pig.",
)

#: (language, text): short, ambiguous, foreign or broken; what a model of English sentences is unsure about
STRANGE = (
    ("en", "sick"),
    ("en", "that is savage"),
    ("en", "you monster lol"),
    ("en", "drop dead gorgeous"),
    ("en", "nice one genius"),
    ("en", "wow just wow"),
    ("en", "smh u r smth else"),
    ("en", "ok boomer"),
    ("en", "ur trash jk jk"),
    ("en", "burn"),
    ("en", "get rekt gg"),
    ("en", "you absolute unit"),
    ("de", "Du hast ja wohl den Schuss nicht gehört."),
    ("de", "Na toll, wieder mal typisch."),
    ("fr", "Tu me casses les pieds avec tes histoires."),
    ("fr", "Quel numéro, celui-là."),
    ("es", "Vaya tela contigo, chaval."),
    ("es", "No me hagas perder el tiempo."),
    ("it", "Ma va a quel paese!"),
    ("pt", "Que coisa mais sem graça, meu."),
    ("pl", "Daj mi święty spokój."),
    ("nl", "Doe effe normaal, zeg."),
    ("tr", "Beni deli etme artık."),
    ("xx", "asdkjh qweoi zxmnc 1337"),
    ("xx", "!!!??? >:( ###"),
    ("xx", "d u m b 0 r n 0 t"),
)
