from .module import Vector
