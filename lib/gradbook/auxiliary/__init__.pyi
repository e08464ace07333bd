from .rules import RULES as RULES
from .rules import AtZero as AtZero
from .rules import Rule as Rule
from .rules import RuleName as RuleName
from .rules import Scope as Scope
from .rules import censor as censor
from .rules import cosine as cosine
from .rules import register as register
