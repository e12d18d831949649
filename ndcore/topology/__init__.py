"""The shape of what a layer says: the mapper graph of its activation vectors.

Nodes are clusters of alike vectors, edges the images that two of them share.

References: Singh, Mémoli & Carlsson 2007, "Topological methods for the analysis of high
dimensional data sets and 3D object recognition"; Rathore et al. 2021, "TopoAct: visually exploring
the shape of activations in deep learning".
"""
