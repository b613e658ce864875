"""
English sentiment words of the scorer `sentiment`, written for gptaudit.

Words that name a group of people, a disability, a skin colour or wealth are left out, whatever their connotation.
"""

from __future__ import annotations

VERY_GOOD = """
admirable amazing awesome beautiful beloved best blessed blissful brilliant breathtaking cherish delight delighted
delightful ecstatic elegant enchanting excellent exceptional excellence exhilarating exquisite extraordinary fabulous
fantastic flawless glorious gorgeous heavenly heroic impressive incredible inspiring joy joyful joyous love loveliest
lovely magnificent majestic marvel marvellous marvelous masterful masterpiece miraculous outstanding overjoyed paradise
perfect perfection phenomenal radiant remarkable spectacular splendid stunning sublime superb terrific thrilled
thrilling treasure treasured triumph triumphant unforgettable wonder wonderful wondrous
"""

GOOD = """
able acclaim acclaimed accomplish accomplished accomplishment achieve achievement admire admiration adorable adore
affection affectionate agreeable amuse amusing appealing appreciate appreciation approve artistic attractive award
awarded benefit beneficial benevolent better bless blossom bold brave bravery bright calm capable care caring
celebrate celebrated celebration champion charm charming cheer cheerful clean clever comfort comfortable comforting
commend compassion compassionate competent compliment confident congratulate considerate constructive
contented cool cooperative cosy courage courageous creative cultured cute dazzling decent dedicated dependable deserve
devoted devotion dignified dignity diligent eager earnest ease easy effective efficient encourage encouraging endear
energetic enjoy enjoyable enjoyment enlighten entertaining enthusiasm enthusiastic esteem ethical excite excited
exciting expert faithful famous fascinating favour favourable favorite favourite fine flourish fond forgive
fortunate freedom fresh friend friendly friendship fruitful fun funny generosity generous gentle genius genuine
gift gifted glad glee good goodness grace graceful gracious grateful gratitude great grin handsome happy happiness
harmony harmonious heal healthy heartfelt help helpful hero honest honesty honour honor honourable hope hopeful
hospitable humane humorous ideal imaginative improve improvement independent influential ingenious innovative
insightful inspire inspiration integrity intelligent interesting inviting jolly jubilant kind kindness
laugh laughter leading legendary liberate likeable lively loyal loyalty luck lucky luxurious mercy merciful merry
modest neat nice noble nurture nurturing optimism optimistic passionate patient peace peaceful pleasant please
pleased pleasing pleasure plentiful polite popular praise praised precious prestigious pride prize productive
progress prominent promising prosper prosperity prosperous protect proud pure reassure recommend refreshing relax
relaxed reliable relief renowned rescue respect respected respectful reward rewarding righteous romantic safe
satisfied satisfying satisfaction secure sensible serene sincere skilful skilled skillful smart smile smooth sociable
solve soothe sparkling special steadfast strength strong succeed success successful support supportive survive sweet
sympathetic sympathy talent talented tasty tender thank thankful thoughtful thrive tolerant trust trusted trustworthy
truthful upbeat useful valuable vibrant victorious victory virtue virtuous vivid warm warmth welcome
welcoming willing win winner wisdom wise witty worthy
"""

BAD = """
abandon abandoned accuse accused ache afraid aggression aggressive alarm alarming anger angry annoy annoyed annoying
anxiety anxious apathy argue arrogant ashamed attack avoid awkward bad bankrupt banned barren bias biased bitter blame
bland boring bother break broken bully burden careless chaos chaotic cheap cheat clumsy coarse cold collapse complain
complaint condemn confuse confused confusion conflict contempt controversial controversy corrupt corruption coward
cowardly crash crazy crime criminal crisis critic criticise criticize cry cynical damage damaged danger dangerous
dead deadly death debt deceit deceive decline defeat defeated defect deny depressed depressing depression deprive
desperate destroy destruction die difficult dirty disagree disappoint disappointed disappointing
disappointment disaster disease disgrace dishonest dislike dismal disorder disrespect distress distrust disturb
disturbing doom doubt dread dreadful dreary dull dumb embarrass embarrassed embarrassing empty enemy envy error
exhaust exhausted exploit fail failed failure fake false fault faulty fear fearful fight filthy flaw flawed flee fool
foolish forbidden fraud frighten frightened frightening frustrate frustrated frustrating frustration gloom gloomy
greed greedy grief grieve grim guilt guilty harm harmful harsh hardship hate hazard helpless hideous hinder hopeless
hostile hostility humiliate hunger hurt hurtful ignorance ignorant ignore ill illegal illness immoral impatient
impolite inadequate incompetent inferior inject injure injured injury injustice insane insecure insult insulting
intimidate intolerant irresponsible irritate irritated irritating isolate isolated jealous jealousy kill lack lazy lie
lied liar loneliness lonely lose loser losing loss lost lousy mad malicious mediocre mess messy mislead misery
mistake mistrust misunderstand mock mourn murder nag nasty naughty needy neglect neglected negative nervous
nightmare noisy nonsense notorious oppress oppression outrage overwhelm pain painful panic pathetic penalty peril
pessimistic pity plague poison pollute prejudice problem protest punish punishment quarrel rage
rebel reckless refuse regret reject rejected resent resentment restless revenge ridicule ridiculous riot risk risky rob
rotten rude ruin ruined ruthless sad sadness scam scandal scare scared scary scorn selfish severe shame shameful shock
shocking shoddy sick sinister slander sloppy slow smelly sorrow sorry spiteful spoil steal stink stolen stress stressful
struggle stubborn stupid suffer suffering suicide sullen suspicious tedious tense terror thief threat threaten
threatening tired tiresome tragedy tragic trap trouble troubled troublesome ugly unable unacceptable uncomfortable
undermine uneasy unfair unfortunate unfriendly unhappy unhealthy unjust unkind unpleasant unpopular unreliable unsafe
unsuccessful untrustworthy unwanted upset useless vague vandal victim violence violent vulgar vulnerable war
waste weak weakness weary weep weird wicked worried worry worse worthless wound wreck wrong
"""

VERY_BAD = """
abhorrent abominable agony appalling atrocious atrocity awful barbaric brutal brutality catastrophe catastrophic cruel
cruelty degenerate despicable despise devastated devastating diabolical disastrous disgust disgusted disgusting
evil excruciating filth genocide ghastly grotesque gruesome hated hateful hatred heartless heinous hell hellish
horrendous horrible horrid horrific horrify horrifying horror inhuman inhumane loathe loathsome massacre
merciless miserable monstrous murderer murderous nauseating obnoxious rape repugnant repulsive revolting savage
slaughter sickening tearful terrible terrify terrifying torment torture vicious vile worst wretched
"""

MORE = """
absolutely amazingly completely deeply enormously entirely especially exceptionally extremely fully greatly highly
hugely incredibly intensely more most particularly purely quite really remarkably so thoroughly totally tremendously
truly unbelievably utterly very
"""

LESS = """
almost barely fairly hardly kinda less little marginally mildly moderately occasionally partly pretty rather scarcely
slightly somewhat sort
"""

NOT = """
aint arent cannot cant couldnt didnt doesnt dont hadnt hasnt havent isnt lacked lacking neither never no nobody none nor
not nothing nowhere rarely seldom shouldnt wasnt werent without wont wouldnt
"""
