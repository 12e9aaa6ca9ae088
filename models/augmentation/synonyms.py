"""Words of reviews that may stand for each other: the same form, the same sense, as strong.

Written for this project; groups stand between bars, a word in one group at most, as `words_of` in
`models/inputs/texts.py` splits them. A Python file, so that whoever changes a word changes the
fingerprint of what it trains.
"""

WORDS = """
good fine decent nice | great excellent superb terrific | wonderful marvelous marvellous fabulous |
amazing astonishing astounding incredible | fantastic phenomenal stupendous |
brilliant ingenious masterly | beautiful gorgeous lovely | stunning breathtaking spectacular |
perfect flawless impeccable | outstanding exceptional remarkable extraordinary |
charming delightful enchanting | funny humorous comical amusing | hilarious hysterical uproarious |
witty clever smart | entertaining enjoyable diverting pleasurable |
interesting intriguing fascinating | gripping riveting enthralling compelling |
exciting thrilling exhilarating | touching moving affecting | powerful potent forceful |
memorable unforgettable indelible | original inventive innovative | fresh novel new |
believable credible plausible convincing | realistic lifelike authentic | talented gifted skilled |
subtle understated nuanced | sweet endearing likable likeable | bad poor lousy |
terrible horrible awful dreadful | horrid atrocious abysmal appalling | worst poorest lousiest |
best finest greatest | worse poorer lousier | better finer superior |
boring dull tedious tiresome | slow sluggish plodding | stupid dumb idiotic moronic |
silly goofy foolish | ridiculous absurd ludicrous preposterous | pathetic pitiful lamentable |
lame feeble weak | annoying irritating grating | disappointing underwhelming unsatisfying |
predictable foreseeable unsurprising | cliched hackneyed trite | bland insipid vapid |
pointless senseless meaningless | pretentious pompous | confusing bewildering perplexing |
incoherent disjointed muddled | cheap shoddy tacky | ugly hideous unsightly |
disgusting revolting repulsive | offensive insulting | shallow superficial |
forgettable unmemorable | mediocre middling unremarkable |
unrealistic implausible unbelievable unconvincing | wooden stilted stiff |
scary frightening terrifying | creepy eerie spooky | sad sorrowful mournful |
depressing dispiriting disheartening | dark bleak grim | violent brutal savage | gory bloody |
strange odd weird peculiar | unusual uncommon | big large | huge enormous massive immense |
small little | tiny minute minuscule | old aged elderly | young youthful | happy glad cheerful |
angry furious irate | famous renowned celebrated | important significant | simple plain |
easy effortless | hard difficult tough | quick fast rapid swift | rich wealthy affluent |
whole entire | real genuine | true truthful | obvious evident apparent | certain sure |
very extremely exceedingly | really truly genuinely | quite rather fairly |
completely totally entirely utterly | absolutely positively | almost nearly practically |
mostly mainly largely chiefly | probably likely presumably | maybe perhaps possibly |
definitely certainly surely undoubtedly | simply merely | often frequently |
sometimes occasionally | always invariably | suddenly abruptly | quickly rapidly swiftly speedily |
slowly gradually | badly poorly | unfortunately sadly regrettably |
fortunately luckily thankfully | especially particularly notably |
basically essentially fundamentally | clearly plainly evidently obviously | film movie picture |
films movies pictures | story tale narrative | stories tales narratives | actor performer |
actors performers | director filmmaker | directors filmmakers | viewer spectator |
viewers spectators | acting performing | plot storyline | dialogue dialog |
ending conclusion finale | beginning start opening | scene sequence | scenes sequences |
kid child youngster | kids children youngsters | guy fellow chap bloke |
guys fellows chaps blokes | friend pal buddy | friends pals buddies | job task | house home |
fan admirer devotee | fans admirers devotees | mistake error blunder | mistakes errors blunders |
rubbish garbage trash junk | masterpiece classic gem | flop failure dud | joke gag jest |
jokes gags jests | love adore cherish | loved adored cherished | liked enjoyed relished |
hate loathe detest despise | hated loathed detested despised | recommend endorse |
recommended endorsed | watch view | watched viewed | watching viewing | think believe reckon |
thought believed reckoned | seem appear | seems appears | seemed appeared | try attempt |
tries attempts | tried attempted | trying attempting | begin commence | begins commences |
began commenced | finish end | finished ended | show display | shows displays | showed displayed |
portray depict | portrays depicts | portrayed depicted | laugh chuckle giggle |
laughed chuckled giggled | cry weep sob | cried wept sobbed | kill slay murder |
killed slew murdered | help aid assist | helped aided assisted | buy purchase | bought purchased |
need require | needs requires | needed required | waste squander | wasted squandered |
ruin spoil wreck | ruined spoiled wrecked | bore tire weary | bored tired wearied |
surprise astonish amaze | surprised astonished amazed | fail flounder | fails flounders |
failed floundered | succeed prevail | succeeds prevails | succeeded prevailed
"""
GROUPS = tuple(tuple(group.split()) for group in WORDS.split("|"))
