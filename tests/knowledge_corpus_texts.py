"""The texts of the corpus: each document is some sections, most of them beside the point of any one question."""

from __future__ import annotations

HEAT_PUMP = """
# Aurora heat pump: introduction
This manual is for owners and fitters of the Aurora 7 air-to-water heat pump. Keep it near the unit and hand it on when
the house is sold. The unit is filled with R290 propane, a natural refrigerant with a very low warming potential.

Only certified fitters may open the sealed circuit. Everything else in this manual can be done by owners themselves.

# Setting up the outdoor unit
Choose a firm and level place with free air on all sides. The outdoor unit must stand at least 45 centimetres from the
wall, and nothing may block its fan within two metres in front.

Lay the condensate pipe with a fall so that it cannot freeze. Rubber feet keep the vibration out of the building.

# Daily use
Set the room temperature at the thermostat and leave the flow temperature to the controller. In quiet mode the unit is
limited to 31 decibels between ten in the evening and six in the morning.

Hot water is heated once a day to kill germs; the time can be chosen in the menu under Comfort.

# Care
Clean the air filter every six weeks with lukewarm water, more often when trees are in bloom. Remove leaves from the
grille by hand and never with a pressure washer.

A fitter should inspect the circuit once every two years and note the pressures in the log at the end of this manual.

# Error codes
E12: the outdoor sensor is not connected; check the plug behind the left panel.

E47: the flow sensor reports no water; open the valves and bleed the circuit.

E63: the defrost cycle was stopped three times; call a fitter.

# Warranty and disposal
The compressor is covered for nine years from the day of commissioning, all other parts for two. The warranty ends when
the seal is broken by someone who is not certified.

Old units are taken back free of charge by every dealer of the Aurora network.
"""

EXPEDITION = """
# The Kvitberg expedition: members
The party of eight left Tromsoe in February. It was led by the glaciologist Ingrid Solheim, who had crossed the plateau
twice before. The doctor, Tomas Reyes, kept the diary on which this report is based.

Each member carried a radio, a flare and food for four days.

# Journey to the plateau
The sea ice held until the second week. The party lost its second sledge in a crevasse near Camp Three, together with
the spare tent and most of the coffee.

From there on three people shared each tent, and the marches were shortened to six hours.

# Drilling
The drill was set up on the summit of the dome. After nineteen days the team had brought up an ice core of 412 metres,
the longest taken in that region so far. It reaches back about eleven thousand years.

The core was cut into pieces of one metre, wrapped and buried in a trench until the aircraft came.

# Troubles at camp
The generator failed at minus 43 degrees when its fuel line froze. For two nights the instruments ran on batteries.

A polar bear broke into the depot at the coast and ate forty tins of sardines, leaving the biscuits untouched.

# Results
Layers of ash in the core show four large eruptions. The chemistry of the snow changed sharply around the year 1850.

The samples are kept at the institute in Bergen and may be studied by anyone who asks.
"""

MINUTES = """
# Protokoll der Mitgliederversammlung
Der Kleingartenverein Sonnenhang traf sich im Vereinsheim. Anwesend waren 61 von 90 Mitgliedern, damit war die
Versammlung beschlussfähig.

Der neue Vorstand wurde am 14. März gewählt. Vorsitzender bleibt Herr Lindner, die Kasse führt nun Frau Petersen.

# Beiträge und Kasse
Der Mitgliedsbeitrag beträgt für Einzelne 52 Euro und für Familien 84 Euro im Jahr. Die Kasse wurde geprüft und der
Vorstand entlastet.

Für Strom wird weiterhin nach Zähler abgerechnet.

# Bienen und Bäume
Um das Bienenhaus kümmert sich ab sofort Frau Özdemir, die den Kurs beim Imkerbund abgeschlossen hat. Honig wird beim
Sommerfest verkauft.

Obstbäume an den Wegen dürfen nur mit Zustimmung des Vorstands geschnitten werden.

# Bauarbeiten
Die Wasserleitung im oberen Teil wird erneuert, weil sie nach dem Rohrbruch im Januar nur notdürftig geflickt wurde.
Die Arbeiten beginnen nach Ostern und dauern drei Wochen.

Währenddessen steht ein Tankwagen am Haupttor bereit.
"""

HANDBOOK = """
# Working hours
A full week has 38 hours. Everyone chooses when to begin between seven and ten in the morning. Meetings are held between
ten and four so that all can take part.

# Vacation
Every employee has 28 days of paid vacation a year, and one more for each five years with the company. Days that are
left over may be taken until the end of March.

Vacation is entered in the calendar and agreed within the team; nobody needs to give a reason.

# Illness
Tell your team in the morning when you are ill. A doctor's note is needed from the fourth day of illness. Those who look
after a sick child stay at home with full pay for up to ten days a year.

# Parents
Parents have sixteen weeks of parental leave with full pay, whoever gave birth. They may come back part-time and choose
the days themselves.

# Learning
The company pays up to 1,750 euros a year for training, books and conferences. Two days a month are free for learning
something that is of no direct use.

# The office
The kitchen is stocked with fruit, bread and too much cheese. Well-behaved dogs are welcome on Thursdays; on other days
the carpet rests. Bicycles are kept in the yard behind the gate.

# Money
Expenses up to 500 euros need no approval. Above that they are approved by the finance lead, Marisol Vega, usually on
the same day. Salaries are paid on the 25th.
"""

INCIDENT = """
# Summary
On the second of June the payment service answered no requests for 94 minutes. Customers saw an error page after their
basket. In that time 3,216 orders were lost, of which about half came back on the next day.

# What happened
The outage was caused by an expired TLS certificate on the internal gateway. The gateway refused all connections from
the payment service, whose retries then filled the queue.

# How it was noticed
The alert on failed payments had been muted during a migration and never switched on again. The outage was noticed first
by customer support in Lisbon, who wrote to the on-call engineer.

# How it was repaired
A new certificate was issued by hand and the gateway restarted. The queue was drained in four batches so that the bank
would not block us for too many requests.

# What will change
A job now renews certificates thirty days ahead and tells two people when it cannot. Muted alerts come back by
themselves after eight hours. The runbook has a page on the gateway.
"""

TRAVEL_AR = """
# الحجز
تحجز جميع الرحلات عن طريق مكتب السفر في الشركة قبل أسبوعين على الأقل. يسافر الموظفون في الدرجة السياحية.

توافق على رحلات الطيران الدولية مديرة العمليات ليلى حداد، أما الرحلات الداخلية فيوافق عليها رئيس القسم.

# المصاريف
بدل السفر اليومي هو ٧٥ دينارا ويشمل الطعام والتنقل داخل المدينة. لا تدفع الشركة ثمن الهدايا.

# الفواتير
يجب تقديم الفواتير الأصلية خلال أربعة عشر يوما من العودة. الفواتير المتأخرة لا تقبل إلا بعذر مكتوب.

# السلامة
يسجل كل مسافر رقم هاتفه وعنوان فندقه قبل المغادرة، ويتصل بالمكتب عند الوصول.
"""

RECIPES_DE = """
# Roggenbrot
Mehl, Wasser und Sauerteig verrühren und den Teig an einem kühlen Ort achtzehn Stunden ruhen lassen. Danach Salz und
Kümmel unterkneten und zu einem runden Laib formen.

Im gusseisernen Topf wird die Kruste besonders kräftig.

# Fischsuppe
Zwiebeln und Lauch in Butter dünsten, mit Brühe ablöschen und den Dorsch darin ziehen lassen. Das besondere Gewürz
dieser Suppe sind geröstete Fenchelsamen, die erst am Ende darüber gestreut werden.

# Apfelkuchen
Die Äpfel schälen, in Spalten schneiden und dicht auf den Rührteig legen. Den Kuchen bei 175 Grad etwa fünfzig Minuten
backen, bis die Ränder goldbraun sind. Mit Zimtzucker bestreuen.

# Grütze
Johannisbeeren und Himbeeren kurz aufkochen, mit Stärke binden und kalt stellen. Dazu passt flüssige Sahne.
"""

WATER_HE = """
# היסטוריה
התחנה הוקמה בשנת 1974 על גדות הנחל ושופצה פעמיים מאז. בתחילה שירתה שלושה כפרים בלבד.

# טיהור
כיום מטוהרים בתחנה 4,200 מטר מעוקב של מים ביום. המים עוברים סינון בחול, ולאחר מכן אור אולטרה סגול.

# צוות
את התחנה מנהלת המהנדסת רות אברמוביץ, ולצידה עובדים שנים עשר טכנאים במשמרות.

# ביקורים
קבוצות תלמידים מוזמנות לסיור מודרך בימי שלישי בבוקר, בתיאום מראש בלבד.
"""

TEA_ZH = """
# 绿茶
绿茶不经过发酵，叶子保持绿色。冲泡绿茶时，水温应为八十摄氏度，时间不超过两分钟，否则茶汤会变苦。

# 普洱茶
普洱茶来自云南，是后发酵茶。保存在干燥通风的地方，普洱茶可以存放三十年，味道会越来越醇厚。

# 白茶
我们的白茶由福建的茶农林秀英种植。她只在清明前采摘嫩芽，并在阳光下自然晾干。

# 茶具
紫砂壶适合冲泡乌龙茶。新壶使用之前要用茶水煮一个小时，平时不要用洗洁精清洗。
"""

TRAIN_JA = """
# 路線
この登山鉄道は湖のほとりから山頂まで走ります。最高地点の山頂駅は標高二千百四十メートルにあります。途中に駅が五つあります。

# 切符
大人の切符は往復で千八百円です。子供は半額です。切符は駅の窓口または車内で買うことができます。

# 運転期間
雪が深いため、十二月から三月まで運休します。春の最初の列車には花の飾りがつきます。

# 車両
赤い車両は昭和三十二年に造られ、今でも毎日走っています。窓は大きく、冬には薪のストーブがありました。
"""

LIGHTHOUSE = """
# History
The lighthouse of Skarholm was built in 1847 after two grain ships had been lost on the reef in one night. The
stone came from the quarry on the mainland and was rowed over by fishermen.

Its first keeper lived here with a family of nine and a cow.

# The light
The lamp burned herring oil at first, then paraffin, and has been electric since 1932. On a clear night it can be seen
for twenty-two nautical miles. It flashes three times and rests for nine seconds.

# The keepers
There were fourteen keepers in all. The last keeper, Astrid Lunde, left the island in 1986 when the light was automated.
She had written down the weather every morning for twenty-five years.

# Climbing the tower
A narrow staircase of 196 steps leads up to the lantern. Children under six may not climb. From the gallery one sees the
seals on the outer skerries.

# Opening times
In summer the tower is open daily from eleven to five. In winter visitors are admitted only on the first Sunday of each
month, when the boat can land.
"""

ONBOARDING = """
# Your first day
Pick up your badge at the reception on level 2

Lunch with your team is at noon and is paid for

Notes: Remind everyone to bring a passport for the contract.

# Accounts
Single sign-on is set up before you arrive

We keep secrets in a password manager called Acorn

Notes: Nobody from IT will ever ask for a password.

# How we work
Plans are written, short and open to all

There is a demo of the week's work every Wednesday at 15:30

# Safety
Exits are marked in green on every floor

Meet at the fountain across the street

Notes: In a fire drill the code word is pelican; say it on the radio when your floor is empty.
"""

ASTRONOMY = """
# The inner planets
Mercury has almost no air and is cold at night

Venus is the hottest planet because its clouds keep the heat

Mars has the highest volcano known

# Giants
Jupiter turns once in about ten hours, faster than any other planet

Saturn would float on water if there were a sea large enough

# Moons
Titan has rivers and lakes of liquid methane

Europa hides an ocean below its ice

Notes: Ask the class which moon they would visit, and why.

# Small bodies
Comets are made of ice and dust and grow tails near the sun

Ceres is the largest body between Mars and Jupiter
"""

PRICES: dict[str, list[list[object]]] = {
    "Bicycles": [
        ["Article", "Description", "Price in euros", "In stock"],
        ["City bicycle Heron", "Seven gears, basket in front", 649, 12],
        ["Cargo bicycle Ostrich", "Box for two children, electric", 4390, 3],
        ["Children's bicycle Wren", "Sixteen inch wheels", 219.5, 20],
        ["Racing bicycle Swift", "Carbon frame, eleven gears", 2799, 1],
    ],
    "Parts": [
        ["Article", "Description", "Price in euros", "In stock"],
        ["Floor pump Bora", "With gauge; fits tubeless tyres", 54.9, 31],
        ["Brass bell", "Replacement bell with a long ring", 17.25, 80],
        ["Chain lock", "Hardened steel, ninety centimetres", 72, 14],
        ["Saddle Cloud", "Gel, for upright riding", 39, 9],
    ],
    "Workshop": [
        ["Service", "What is done", "Rate in euros"],
        ["Wheel truing", "Per hour, spokes not included", 48],
        ["Inspection", "Brakes, gears, bearings and light", 79],
        ["Winter storage", "From November to March", 60],
    ],
}

INVENTORY: dict[str, list[list[object]]] = {
    "Devices": [
        ["Device", "Room", "Last calibrated", "Keeper"],
        ["Centrifuge Vortex 9", "B 114", "2026-02-11", "Dr. Amara Nwosu"],
        ["Microscope Argus", "B 120", "2025-10-03", "Lukas Brandt"],
        ["Freezer Polaris", "Cellar 2", "2026-05-20", "Yuki Tanabe"],
        ["Spectrometer Iris", "C 007", "2026-01-15", "Dr. Amara Nwosu"],
    ],
    "Chemicals": [
        ["Chemical", "Cabinet", "Amount", "Expires"],
        ["Acetone", "K1", "2.5 litres", "2027-03-31"],
        ["Sodium azide", "K4", "100 grams", "2028-08-31"],
        ["Ethanol", "K2", "10 litres", "2027-12-31"],
        ["Agarose", "K3", "500 grams", "2029-01-31"],
    ],
}
